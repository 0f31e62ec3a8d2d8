//! What images tell: two of them compared, and the bytes of pages.
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
use crate::{AskedPages, Caller, ImageRef, Operations, ReadPages, Study, blocking};

/// Bytes of a page, which an address in memory is a multiple of.
const PAGE_BYTES: u64 = 4096;

/// Stops work whose caller went away.
pub(crate) struct StopWhenDropped(pub(crate) Arc<AtomicBool>);

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
        let read = move |[first, second]: [ImageRef; 2]| {
            let (first, second) = (study.page(&first, address)?, study.page(&second, address)?);
            if first.is_none() && second.is_none() {
                let detail = format!("neither dump has a page at {address}");
                return Err(Problem::new(ProblemKind::NotFound, detail));
            }
            Ok((ComparedBytes { address, first, second }, AuditDetails::default()))
        };
        self.read_pages([first, second], details, caller, read).await
    }

    /// The first pages that differ between two dumps from an address on, `most` of them; in a form with bytes, with those of the second
    /// dump.
    ///
    /// # Errors
    /// As of [`Self::compare_dumps`]; or too many are asked for, or it cannot be noted that they are read.
    pub async fn changed_pages(
        &self,
        first: &str,
        second: &str,
        asked: AskedPages,
        caller: &Caller,
    ) -> Result<ReadPages, Problem> {
        caller.must(Permission::ReadMemory)?;
        let AskedPages { form, from, most } = asked;
        let most = most.unwrap_or(form.most());
        if !(1..=form.most()).contains(&most) {
            let detail =
                format!("as {} at most {} pages are sent at once, not {most}", form.as_str(), form.most());
            return Err(Problem::new(ProblemKind::Invalid, detail));
        }
        let Pair { study, first, second } = self.pair(first, second, caller).await?;
        let details = AuditDetails {
            format: Some(format!("changed pages, {}", form.as_str())),
            ..AuditDetails::default()
        };
        let is_stopped = Arc::new(AtomicBool::new(false));
        let _stop = StopWhenDropped(Arc::clone(&is_stopped));
        let read = move |[first, second]: [ImageRef; 2]| {
            let asked = AskedPages { form, from, most: Some(most) };
            let read = study.changed(&first, &second, asked, &|| is_stopped.load(Ordering::Relaxed))?;
            let count = u64::try_from(read.changed.pages.len()).unwrap_or(u64::MAX);
            let bytes = read.lime.as_ref().map(|_| ByteCount(count.saturating_mul(PAGE_BYTES)));
            let details = AuditDetails { count: Some(count), bytes, ..AuditDetails::default() };
            Ok((read, details))
        };
        self.read_pages([first, second], details, caller, read).await
    }

    /// Reads pages of two images, which is noted for both before it begins and when it has ended.
    async fn read_pages<T: Send + 'static>(
        &self,
        images: [ImageRef; 2],
        details: AuditDetails,
        caller: &Caller,
        read: impl FnOnce([ImageRef; 2]) -> Result<(T, AuditDetails), Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.study_places.place().await?;
        let mut begun = Vec::new();
        for image in &images {
            let deed = Deed::new(AuditAction::PageRead, about(image)).with(details.clone());
            begun.push(self.audit.begin(caller, deed).await?);
        }
        let read = blocking(move || {
            let _place = place;
            read(images)
        })
        .await;
        let (result, details) = match &read {
            Ok((_, details)) => (AuditResult::Succeeded, details.clone()),
            Err(problem) => (result_of(problem), AuditDetails::because(&problem.detail)),
        };
        for begun in begun {
            begun.end(result, details.clone()).await;
        }
        read.map(|(read, _)| read)
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
