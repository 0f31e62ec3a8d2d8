//! The bytes of a connection in the binary messages of a WebSocket.

use std::future::ready;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

/// The longest message that is read: several frames of HTTP/2.
const MAX_MESSAGE_BYTES: usize = 256 << 10;
/// What is read and written at once.
const BUFFER_BYTES: usize = 64 << 10;
/// After so long without a byte the other end is gone. Both ask for signs of life more often, and whatever comes is one: an answer
/// to a question may wait behind a lot of other bytes.
const SILENCE: Duration = Duration::from_secs(10);

/// What bytes are read from and written to.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// What `stream`, on which a WebSocket was agreed, carries in its binary messages.
pub async fn over_websocket<S>(stream: S, role: Role) -> Box<dyn ByteStream>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    let (sink, messages) = WebSocketStream::from_raw_socket(stream, role, Some(config)).await.split();
    let received = stream::unfold(messages, |mut messages| async move {
        loop {
            let Ok(message) = timeout(SILENCE, messages.next()).await else {
                let silent = format!("nothing was heard for {} s", SILENCE.as_secs());
                return Some((Err(io::Error::new(io::ErrorKind::TimedOut, silent)), messages));
            };
            if let Some(bytes) = received(message?) {
                return Some((bytes, messages));
            }
        }
    });
    let sink = sink.sink_map_err(io::Error::other);
    let sink = sink.with(|bytes: Bytes| ready(Ok::<_, io::Error>(Message::Binary(bytes))));
    let writer = Portions(SinkWriter::new(CopyToBytes::new(sink)));
    Box::new(tokio::io::join(StreamReader::new(Box::pin(received)), writer))
}

/// Takes what is written in portions that the other end reads, each of which becomes a message.
struct Portions<W>(W);

impl<W: AsyncWrite + Unpin> AsyncWrite for Portions<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let portion = bytes.get(..BUFFER_BYTES).unwrap_or(bytes);
        Pin::new(&mut self.0).poll_write(context, portion)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// The bytes of a message. After that of the end there is none.
fn received(message: Result<Message, Error>) -> Option<io::Result<Bytes>> {
    match message {
        Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => None,
        Ok(Message::Text(_)) => {
            let what = "a message of text, where there are none";
            Some(Err(io::Error::new(io::ErrorKind::InvalidData, what)))
        }
        Err(error) => Some(Err(io::Error::other(error))),
    }
}

/// What a service answers to the key of a request for a WebSocket.
pub fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    async fn pair() -> [Box<dyn ByteStream>; 2] {
        let (client, server) = duplex(16 << 10);
        [over_websocket(client, Role::Client).await, over_websocket(server, Role::Server).await]
    }

    #[tokio::test]
    async fn whatever_goes_in_comes_out_in_both_directions_until_the_end() {
        let [mut client, mut server] = pair().await;
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let (there, back) = tokio::join!(
            async {
                client.write_all(&sent).await.unwrap();
                client.flush().await.unwrap();
                let mut back = vec![0; 3];
                client.read_exact(&mut back).await.unwrap();
                client.shutdown().await.unwrap();
                back
            },
            async {
                let mut there = vec![0; sent.len()];
                server.read_exact(&mut there).await.unwrap();
                server.write_all(b"yes").await.unwrap();
                server.flush().await.unwrap();
                let mut rest = Vec::new();
                server.read_to_end(&mut rest).await.unwrap();
                assert!(rest.is_empty());
                there
            }
        );
        assert!(back == sent && there == b"yes");
    }

    /// How reading ends that begins with these bytes of a client.
    async fn end_of(bytes: &[u8]) -> io::Error {
        let (mut client, server): (DuplexStream, _) = duplex(16 << 10);
        let mut server = over_websocket(server, Role::Server).await;
        client.write_all(bytes).await.unwrap();
        server.read_u8().await.unwrap_err()
    }

    #[tokio::test]
    async fn what_is_no_binary_message_of_a_bearable_length_ends_the_connection() {
        for wrong in [
            // A text; a length of 2^40; no mask; a reserved bit; no frame at all.
            &[0x81, 0x81, 0, 0, 0, 0, b'x'][..],
            &[0x82, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x82, 0x01, b'x'],
            &[0xc2, 0x81, 0, 0, 0, 0, b'x'],
            b"GET / HTTP/1.1\r\n\r\n",
        ] {
            let error = end_of(wrong).await;
            assert_ne!(error.kind(), io::ErrorKind::UnexpectedEof, "{wrong:?}: {error}");
        }
    }

    #[test]
    fn the_answer_to_a_key_is_the_one_of_rfc_6455() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
