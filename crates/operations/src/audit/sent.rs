//! Counts the bytes of an image on their way out, and notes how many there were and whether they were all.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use memdeck_model::ByteCount;
use memdeck_model::audit::{AuditDetails, AuditHead, AuditResult};
use tokio::runtime::Handle;

use super::Begun;
use crate::ImageBytes;

struct Noting {
    bytes: ImageBytes,
    sent: u64,
    /// How many there will be, if that is known.
    expected: Option<u64>,
    /// Until the end is noted.
    begun: Option<Begun>,
    /// What the agent noted that sends them.
    agent: Option<AuditHead>,
}

/// The same bytes. Their end, or that nobody wants them any more, is noted as the end of `begun`.
pub fn noting(
    bytes: ImageBytes,
    expected: Option<u64>,
    begun: Begun,
    agent: Option<AuditHead>,
) -> ImageBytes {
    Noting { bytes, sent: 0, expected, begun: Some(begun), agent }.boxed()
}

impl Noting {
    fn end(&mut self, result: AuditResult, why: Option<&std::io::Error>) {
        let Some(begun) = self.begun.take() else { return };
        let details = why.map(AuditDetails::because).unwrap_or_default();
        let (bytes, agent) = (Some(ByteCount(self.sent)), self.agent.take());
        let details = AuditDetails { bytes, agent, ..details };
        // Whoever polls or drops this must not wait. Without a runtime the process ends, and the next start notes it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(begun.end(result, details));
        }
    }
}

impl Stream for Noting {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.bytes.poll_next_unpin(context);
        match &next {
            Poll::Ready(Some(Ok(bytes))) => {
                self.sent = self.sent.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            }
            Poll::Ready(Some(Err(error))) => self.end(AuditResult::Failed, Some(error)),
            Poll::Ready(None) => self.end(AuditResult::Succeeded, None),
            Poll::Pending => {}
        }
        next
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        // After the last byte of a known length nobody need ask for the end.
        let is_whole = self.expected == Some(self.sent);
        self.end(if is_whole { AuditResult::Succeeded } else { AuditResult::CutOff }, None);
    }
}
