//! What has no event of its own: whether hosts answer, and how much is free there.

use std::time::Duration;

use memdeck_model::notice::Happening;
use memdeck_model::{ByteCount, Message, Millis};

/// A host is away when it did not answer for so long: an agent that restarts is no news.
const AWAY_AFTER: Duration = Duration::from_secs(30);

/// What is known of a host.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Since when it does not answer.
    away_since: Option<Duration>,
    is_told_away: bool,
    is_told_low: bool,
}

impl Watched {
    /// Looks at whether it answers; `now` is on a clock that never jumps.
    pub(super) fn health(&mut self, now: Duration, error: Option<&Message>) -> Option<Happening> {
        let Some(why) = error else {
            let since = self.away_since.take();
            let was_told = std::mem::take(&mut self.is_told_away);
            let away_ms = since.map(|since| Millis::from(now.saturating_sub(since)));
            return was_told.then_some(Happening::HostBack { away_ms });
        };
        let since = *self.away_since.get_or_insert(now);
        if self.is_told_away || now.saturating_sub(since) < AWAY_AFTER {
            return None;
        }
        self.is_told_away = true;
        Some(Happening::HostAway { why: why.clone() })
    }

    /// Looks at what is free for images. Told once, until there is a tenth more than there should be.
    pub(super) fn space(&mut self, free: Option<ByteCount>, floor: ByteCount) -> Option<Happening> {
        let free = free?;
        if free >= ByteCount(floor.0.saturating_add(floor.0 / 10)) {
            self.is_told_low = false;
        }
        if free >= floor || std::mem::replace(&mut self.is_told_low, true) {
            return None;
        }
        Some(Happening::SpaceLow { volume: "dumps".to_owned(), free_bytes: free, floor_bytes: floor })
    }
}

#[cfg(test)]
mod tests {
    use memdeck_model::notice::NoticeKind;

    use super::*;

    #[test]
    fn a_host_is_away_once_it_was_silent_for_long_and_back_if_it_was_away() {
        let mut host = Watched::default();
        let silent = Message::from("connection refused");
        let mut look = |at: u64, error| {
            host.health(Duration::from_secs(at), error).map(|happened| (at, happened.kind()))
        };
        let told = [
            look(0, None),
            look(5, Some(&silent)),
            look(34, Some(&silent)),
            look(34, None),
            look(40, Some(&silent)),
            look(70, Some(&silent)),
            look(75, Some(&silent)),
            look(100, None),
            look(105, None),
        ];
        let told: Vec<_> = told.into_iter().flatten().collect();
        assert_eq!(told, [(70, NoticeKind::HostAway), (100, NoticeKind::HostBack)]);
    }

    #[test]
    fn the_return_of_a_host_says_how_long_it_was_away() {
        let mut host = Watched::default();
        for at in [10, 40] {
            host.health(Duration::from_secs(at), Some(&Message::from("x")));
        }
        let back = host.health(Duration::from_secs(70), None);
        assert_eq!(back, Some(Happening::HostBack { away_ms: Some(Millis(60_000)) }));
    }

    #[test]
    fn a_volume_around_its_floor_is_told_once() {
        let mut host = Watched::default();
        let free = [150, 99, 98, 101, 99, 109, 99, 110, 99]
            .map(|free| host.space(Some(ByteCount(free)), ByteCount(100)).is_some().then_some(free));
        assert_eq!(free.into_iter().flatten().collect::<Vec<_>>(), [99, 99]);
        assert_eq!(host.space(None, ByteCount(100)), None, "an old service does not say");
    }
}
