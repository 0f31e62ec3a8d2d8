//! The body of an answer that came over a line, which has to come in time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::super::{LATE, Limit};

pub struct InTime {
    body: Incoming,
    /// How long each part of it may take; `None` where all of it has to be there by `deadline`.
    part: Option<Duration>,
    /// Of a part from when it is waited for: whoever reads slowly is not late.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl InTime {
    /// Of an answer that was asked for at `begun`.
    pub fn new(body: Incoming, limit: Limit, begun: Instant) -> Self {
        match limit {
            Limit::Whole(longest) => {
                Self { body, part: None, deadline: Some(Box::pin(sleep_until(begun + longest))) }
            }
            Limit::Part(longest) => Self { body, part: Some(longest), deadline: None },
        }
    }
}

impl Body for InTime {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if self.part.is_some() {
                self.deadline = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let longest = self.part.unwrap_or_default();
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(longest)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, LATE).into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
