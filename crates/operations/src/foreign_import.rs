//! Tells open pages how far the rows that other tools wrote into InfluxDB have been read, and that records came of them.

use std::time::Duration;

use memdeck_model::{Event, ForeignImport};
use tokio::sync::watch;

use crate::Feed;

/// Between two events at least. Many rows are read in this time, and pages fetch their records again after each event.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Ends when nobody reads rows any more; at once where nobody does.
pub(crate) async fn watch(progress: Option<watch::Receiver<ForeignImport>>, feed: &Feed, interval: Duration) {
    let Some(mut progress) = progress else { return };
    loop {
        let present = progress.borrow_and_update().clone();
        feed.publish_if_news(Event::Import(present));
        tokio::time::sleep(interval).await;
        if progress.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::Heard;

    #[tokio::test]
    async fn pages_are_told_how_far_it_is_until_nobody_reads_any_more() {
        let feed = Arc::new(Feed::new());
        let (mut listener, _) = feed.listen(None);
        let (sender, progress) = watch::channel(ForeignImport::default());
        let watching = tokio::spawn({
            let feed = Arc::clone(&feed);
            async move { watch(Some(progress), &feed, Duration::from_millis(1)).await }
        });
        let mut next = async || match listener.next().await {
            Heard::Events(events) => (*events.last().unwrap().1).clone(),
            Heard::Lost => panic!("events were lost"),
        };
        assert_eq!(next().await, Event::Import(ForeignImport::default()));
        let reading = ForeignImport { rows_read: 2_000, records_added: 2_000, ..ForeignImport::default() };
        let complete =
            ForeignImport { is_complete: true, rows_read: 2_500, records_added: 2_400, ..reading.clone() };
        for progress in [reading, complete] {
            sender.send_replace(progress.clone());
            assert_eq!(next().await, Event::Import(progress));
        }
        drop(sender);
        watching.await.unwrap();
        watch(None, &feed, INTERVAL).await;
    }
}
