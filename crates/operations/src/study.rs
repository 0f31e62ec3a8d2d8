//! What images tell: two of them compared, and the bytes of a page.
//!
//! Figures are for everybody who may see records: an inspection shows the same of one image. Bytes are for those who may read
//! memory, and each page that is shown is noted in the audit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memdeck_model::audit::{AuditAction, AuditDetails, AuditResult, SentPart};
use memdeck_model::{
    ByteCount, ComparedBytes, DrawnComparison, GuestPhysAddr, MapView, Permission, Problem, ProblemKind,
};

use crate::audit::{Deed, result_of};
use crate::images::about;
use crate::{Caller, ImageRef, Operations, Study, blocking};

/// Bytes of a page, which an address in memory is a multiple of.
const PAGE_BYTES: u64 = 4096;

/// Stops work whose caller went away.
struct StopWhenDropped(Arc<AtomicBool>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Two images that one reader can read.
struct Pair {
    study: Arc<dyn Study>,
    first: ImageRef,
    second: ImageRef,
}

impl Operations {
    /// What changed between two dumps, with a map of it.
    ///
    /// # Errors
    /// There is no such dump, its image was deleted, is elsewhere or cannot be compared; or too much is compared already.
    pub async fn compare_dumps(
        &self,
        first: &str,
        second: &str,
        view: MapView,
        caller: &Caller,
    ) -> Result<DrawnComparison, Problem> {
        caller.must(Permission::View)?;
        let Pair { study, first, second } = self.pair(first, second, caller).await?;
        let place = self.study_places.place().await?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let _stop = StopWhenDropped(Arc::clone(&is_stopped));
        blocking(move || {
            let _place = place;
            study.compare(&first, &second, view, &|| is_stopped.load(Ordering::Relaxed))
        })
        .await
    }

    /// What two dumps have of the page at an address.
    ///
    /// # Errors
    /// As of [`Self::compare_dumps`]; or neither has such a page, or it cannot be noted that it is read.
    pub async fn compare_page(
        &self,
        first: &str,
        second: &str,
        address: GuestPhysAddr,
        caller: &Caller,
    ) -> Result<ComparedBytes, Problem> {
        caller.must(Permission::ReadMemory)?;
        let Pair { study, first, second } = self.pair(first, second, caller).await?;
        if !address.0.is_multiple_of(PAGE_BYTES) {
            let detail = format!("a page begins at a multiple of {PAGE_BYTES}, which {address} is not");
            return Err(Problem::new(ProblemKind::Invalid, detail));
        }
        let end = address.0.saturating_add(PAGE_BYTES);
        let details = AuditDetails {
            format: Some("page".to_owned()),
            part: Some(SentPart { start: address.0, end }),
            bytes: Some(ByteCount(PAGE_BYTES)),
            ..AuditDetails::default()
        };
        let place = self.study_places.place().await?;
        let mut begun = Vec::new();
        for image in [&first, &second] {
            let deed = Deed::new(AuditAction::PageRead, about(image)).with(details.clone());
            begun.push(self.audit.begin(caller, deed).await?);
        }
        let read = blocking(move || {
            let _place = place;
            let (first, second) = (study.page(&first, address)?, study.page(&second, address)?);
            if first.is_none() && second.is_none() {
                let detail = format!("neither dump has a page at {address}");
                return Err(Problem::new(ProblemKind::NotFound, detail));
            }
            Ok(ComparedBytes { address, first, second })
        })
        .await;
        let (result, details) = match &read {
            Ok(_) => (AuditResult::Succeeded, AuditDetails::default()),
            Err(problem) => (result_of(problem), AuditDetails::because(&problem.detail)),
        };
        for begun in begun {
            begun.end(result, details.clone()).await;
        }
        read
    }

    /// Two images that lie where they can be read together.
    async fn pair(&self, first: &str, second: &str, caller: &Caller) -> Result<Pair, Problem> {
        let first = self.images.present(first, caller).await?;
        let second = self.images.present(second, caller).await?;
        let study = self.reader_of(&first)?;
        self.reader_of(&second)?;
        Ok(Pair { study, first, second })
    }

    /// Who reads an image: this machine, if it keeps it.
    pub(crate) fn reader_of(&self, image: &ImageRef) -> Result<Arc<dyn Study>, Problem> {
        let keeper = self.images.host_of(image)?;
        keeper.study().ok_or_else(|| {
            let record = image.owned.as_ref().map(|owned| &owned.record);
            let host = record.and_then(|record| record.host.as_deref()).unwrap_or("another host");
            let detail = format!(
                "the image of dump {} is on {host}: images are compared and searched where they are stored; run `memdeck \
                 compare` or `memdeck hunt` there",
                image.dump_id
            );
            Problem::new(ProblemKind::Conflict, detail)
        })
    }
}
