//! The images that an agent keeps: the small calls as JSON, downloads passed on as they come.

mod inside;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use memdeck_catalog::Catalog;
use memdeck_model::audit::AuditObject;
use memdeck_model::{
    Actor, DeleteRequest, Deletion, DumpId, Event, InsideReading, Inspection, Manifest, OnBehalf, Problem,
    ProblemKind, Record, Verification, VerificationState,
};
use memdeck_operations::{
    AddressRange, Described, Form, Held, ImageBytes, ImageHost, ImageRef, OpenImage, Origin, ReadImage,
    Verifications, Vouchers, blocking, catalog_problem,
};
use parking_lot::Mutex;
use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::broadcast;

use crate::call::{CallError, answer, bounded_body, detail_of, note_audit};
use crate::client::ServiceClient;
use crate::passed_on;
use crate::records::catalog_of;

/// Names the memory that a format leaves out.
pub const OMITTED: HeaderName = HeaderName::from_static("memdeck-omitted");
/// The header that says what is checked before it is sent: `frames`, each of them; or `whole`: the image was stored
/// without digests, and a part of it cannot be checked.
pub const CHECKED: HeaderName = HeaderName::from_static("memdeck-checked");

/// Between two questions to an agent that verifies.
const ASK_INTERVAL: Duration = Duration::from_millis(500);
/// So many questions in a row may go without an answer before the follower gives up.
const MAX_UNANSWERED: u32 = 20;

/// The images of a dump service.
#[derive(Clone)]
pub struct AgentImages {
    client: ServiceClient,
    catalog: Arc<Catalog>,
    verifications: Verifications,
    events: broadcast::Sender<Event>,
    /// Identity of the catalog there, as its records said last: a service keeps it when it moves to another address.
    catalog_id: Arc<Mutex<Option<String>>>,
}

impl AgentImages {
    pub(crate) fn new(
        client: ServiceClient,
        catalog: Arc<Catalog>,
        events: broadcast::Sender<Event>,
    ) -> Self {
        let catalog_id = catalog.setting(&catalog_of(client.url())).ok().flatten();
        let catalog_id = Arc::new(Mutex::new(catalog_id));
        Self { client, catalog, verifications: Verifications::new(events.clone()), events, catalog_id }
    }

    /// Reads again which catalog the service has, after records of it were imported.
    pub(crate) async fn note_catalog(&self) {
        let (catalog, setting) = (Arc::clone(&self.catalog), catalog_of(self.client.url()));
        if let Ok(Some(id)) = blocking(move || catalog.setting(&setting)).await {
            *self.catalog_id.lock() = Some(id);
        }
    }

    /// For whom the service is asked, where it takes that.
    async fn passed_on(&self, by: &Actor) -> Result<Option<Actor>, Problem> {
        let capabilities = self.client.capabilities().await.map_err(|error| self.client.problem(&error))?;
        Ok(capabilities.actors.then(|| passed_on(by)))
    }

    async fn ask_verification(&self, dump_id: &DumpId) -> Result<Verification, Problem> {
        self.client.image_call(Method::GET, dump_id, Some("verify"), None::<&()>).await
    }

    /// Takes over what the service says; a verification that goes on is followed to its end, so that whoever looks here is
    /// told as if it went on here.
    fn note(&self, present: &Verification) {
        let before = self.verifications.replace(present);
        let is_news = before.is_some_and(|before| before != VerificationState::Running);
        if present.state == VerificationState::Running && is_news {
            tokio::spawn(self.clone().follow(present.clone()));
        }
    }

    /// Takes over how one ended that nobody here may have asked for.
    pub(crate) fn hear(&self, ended: &Verification) {
        if self.verifications.of(&ended.dump_id).finished_at != ended.finished_at {
            self.note(ended);
        }
    }

    /// Asks until it has ended, or until the service has not answered for a while.
    async fn follow(self, begun: Verification) {
        let mut unanswered = 0;
        loop {
            tokio::time::sleep(ASK_INTERVAL).await;
            match self.ask_verification(&begun.dump_id).await {
                Ok(present) => {
                    unanswered = 0;
                    self.note(&present);
                    if present.state != VerificationState::Running {
                        return;
                    }
                }
                Err(problem) => {
                    unanswered += 1;
                    if unanswered >= MAX_UNANSWERED || problem.kind != ProblemKind::Unavailable {
                        let error = format!("how the verification ended is not known: {}", problem.detail);
                        let ended = Verification {
                            state: VerificationState::Failed,
                            error: Some(error.into()),
                            ..begun
                        };
                        self.note(&ended);
                        return;
                    }
                }
            }
        }
    }

    /// The service reports its deletions later, when asked; the record here is changed at once.
    async fn note_deleted(&self, dump_id: &DumpId, record: &Record) -> Result<(), Problem> {
        let service = self.client.url().to_owned();
        let (Some(deleted_at), Some(deleted_by)) = (record.deleted_at, record.deleted_by.clone()) else {
            let detail =
                format!("the dump service {service} answered, but does not say that the image is deleted");
            return Err(Problem::new(ProblemKind::Unavailable, detail));
        };
        let catalog = Arc::clone(&self.catalog);
        let deletion = Deletion { dump_id: dump_id.clone(), deleted_at, deleted_by };
        let cursor = format!("deletions asked of {service}");
        let noted = blocking(move || catalog.import_deletions(&service, &cursor, &[(0, deletion)])).await;
        noted.map(drop).map_err(|error| catalog_problem(&error))
    }
}

#[async_trait]
impl ImageHost for AgentImages {
    fn origin(&self, origin: &str) -> Origin {
        let (url, catalog) = origin.split_once('#').map_or((origin, None), |(url, id)| (url, Some(id)));
        if url == self.client.url() {
            Origin::SameService
        } else if catalog.is_some_and(|id| self.catalog_id.lock().as_deref() == Some(id)) {
            Origin::SameCatalog
        } else {
            Origin::Elsewhere
        }
    }

    async fn open(&self, image: ImageRef, form: Form) -> Result<OpenImage, Problem> {
        let answer = self.client.image(Method::HEAD, &image.dump_id, form, HeaderMap::new()).await?;
        let told = answer.headers();
        let text = |name: &HeaderName| told.get(name).and_then(|value| value.to_str().ok());
        let stem = match &image.owned {
            Some(owned) => format!("{}_{}", owned.record.dom, image.dump_id),
            // It may not be imported yet.
            None => image.dump_id.to_string(),
        };
        Ok(OpenImage {
            about: AuditObject::dump(image.dump_id.clone()),
            form,
            length: text(&CONTENT_LENGTH).and_then(|length| length.parse().ok()),
            entity_tag: text(&ETAG).map(ToOwned::to_owned),
            file_name: form.file_name(&stem),
            omitted: text(&OMITTED).map(ranges_in).unwrap_or_default(),
            is_checked: text(&CHECKED) == Some("frames"),
            reader: Box::new(Reader {
                client: self.client.clone(),
                dump_id: image.dump_id,
                form,
                tag: told.get(&ETAG).cloned(),
            }),
        })
    }

    async fn manifest(&self, image: ImageRef) -> Result<Described<Manifest>, Problem> {
        self.client.image_call(Method::GET, &image.dump_id, Some("manifest"), None::<&()>).await
    }

    async fn vouchers(&self, image: ImageRef) -> Result<Vouchers, Problem> {
        let report = self.ask_verification(&image.dump_id).await?.report.unwrap_or_default();
        Ok(Vouchers { signature: part_of(&report, "signature"), time_stamp: part_of(&report, "time_stamp") })
    }

    async fn inspect(&self, image: ImageRef) -> Result<Described<Inspection>, Problem> {
        self.client.image_call(Method::GET, &image.dump_id, Some("inspect"), None::<&()>).await
    }

    async fn verify(&self, image: ImageRef, by: &Actor) -> Result<Verification, Problem> {
        let request = OnBehalf { by: self.passed_on(by).await? };
        let begun =
            self.client.image_call(Method::POST, &image.dump_id, Some("verify"), Some(&request)).await?;
        self.note(&begun);
        Ok(begun)
    }

    async fn verification(&self, image: ImageRef) -> Result<Verification, Problem> {
        let present = self.ask_verification(&image.dump_id).await?;
        self.note(&present);
        Ok(present)
    }

    fn verifications(&self) -> Vec<Verification> {
        self.verifications.all()
    }

    async fn inside(&self, image: ImageRef) -> Result<InsideReading, Problem> {
        self.ask_inside(image).await
    }

    async fn read_inside(&self, image: ImageRef, by: &Actor) -> Result<InsideReading, Problem> {
        self.ask_to_read(image, by).await
    }

    async fn may_be_unsettled(&self, _: &DumpId) -> Result<bool, Problem> {
        // The service knows.
        Ok(true)
    }

    async fn delete(&self, image: ImageRef, request: DeleteRequest, by: &Actor) -> Result<Record, Problem> {
        let request = DeleteRequest { by: self.passed_on(by).await?, ..request };
        let record: Record =
            self.client.image_call(Method::DELETE, &image.dump_id, None, Some(&request)).await?;
        self.note_deleted(&image.dump_id, &record).await?;
        let _ = self.events.send(Event::Record(Box::new(record.clone())));
        self.verifications.forget(&image.dump_id);
        Ok(record)
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

/// An image that the service has opened once, and opens again for each reading.
struct Reader {
    client: ServiceClient,
    dump_id: DumpId,
    form: Form,
    tag: Option<HeaderValue>,
}

#[async_trait]
impl ReadImage for Reader {
    async fn read(self: Box<Self>, part: Option<Range<u64>>, held: Held) -> Result<ImageBytes, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(part) = &part {
            let range = format!("bytes={}-{}", part.start, part.end.saturating_sub(1));
            headers.extend(range.parse().ok().map(|range| (RANGE, range)));
            headers.extend(self.tag.clone().map(|tag| (IF_RANGE, tag)));
        }
        let answer = self.client.image(Method::GET, &self.dump_id, self.form, headers).await?;
        let expected = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        if answer.status() != expected || answer.headers().get(&ETAG) != self.tag.as_ref() {
            let detail = format!(
                "the image of dump {} with {} is another one than a moment ago; ask again",
                self.dump_id,
                self.client.url()
            );
            return Err(Problem::new(ProblemKind::Conflict, detail));
        }
        let (dump_id, service) = (self.dump_id.clone(), self.client.url().to_owned());
        let bytes = answer.bytes_stream().map_err(std::io::Error::other).inspect_err(move |error| {
            let reason = error.to_string();
            tracing::warn!(%dump_id, service, reason, "a download from the dump service broke off");
        });
        Ok(bytes
            .map(move |chunk| {
                let _held = &held;
                chunk
            })
            .boxed())
    }
}

impl ServiceClient {
    /// A call about a dump's image that is answered with JSON.
    ///
    /// # Errors
    /// The service does not answer, or refuses: its own words, under its own status where that is one of ours.
    async fn image_call<T: DeserializeOwned>(
        &self,
        method: Method,
        dump_id: &DumpId,
        what: Option<&str>,
        body: Option<&(impl Serialize + ?Sized + Sync)>,
    ) -> Result<T, Problem> {
        let path: Vec<&str> = ["api", "memory-dumps", dump_id.as_str()].into_iter().chain(what).collect();
        let request = self.request(method, &path);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        answer(request).await.map_err(|error| self.problem(&error))
    }

    /// The record of a dump.
    ///
    /// # Errors
    /// As [`Self::image_call`].
    pub async fn record(&self, dump_id: &DumpId) -> Result<Record, Problem> {
        self.image_call(Method::GET, dump_id, None, None::<&()>).await
    }

    /// Deletes the image of a dump; its record as it is afterwards.
    ///
    /// # Errors
    /// As [`Self::image_call`].
    pub async fn delete_image(&self, dump_id: &DumpId, request: &DeleteRequest) -> Result<Record, Problem> {
        self.image_call(Method::DELETE, dump_id, None, Some(request)).await
    }

    /// Asks for an image, or a part of it. An error is passed on in the service's words.
    async fn image(
        &self,
        method: Method,
        dump_id: &DumpId,
        form: Form,
        headers: HeaderMap,
    ) -> Result<Response, Problem> {
        let ask = |method: Method| {
            let path = ["api", "memory-dumps", dump_id.as_str(), "image"];
            let request = self.stream_request(method, &path).query(&[("format", form.as_str())]);
            request.headers(headers.clone()).send()
        };
        let failed = |error: CallError| self.problem(&error);
        let answer = ask(method.clone()).await.map_err(failed)?;
        if answer.status().is_success() {
            note_audit(answer.headers());
            return Ok(answer);
        }
        // An answer to HEAD has no words.
        let answer = if method == Method::HEAD { ask(Method::GET).await.map_err(failed)? } else { answer };
        let status = answer.status();
        if status.is_success() {
            let detail = "it refuses an image, and does not when asked again".to_owned();
            return Err(self.problem(&CallError::Unreadable(detail)));
        }
        let body = bounded_body(answer).await.map_err(|error| self.problem(&error))?;
        Err(self.problem(&CallError::Refused { status, detail: detail_of(&body) }))
    }

    fn problem(&self, error: &CallError) -> Problem {
        let service = self.url();
        match error {
            CallError::NoAnswer(reason)
            | CallError::Broken(reason)
            | CallError::Certificate { reason, .. } => Problem::new(
                ProblemKind::Unavailable,
                format!("the dump service {service}, which has the image, does not answer ({reason})"),
            ),
            CallError::Refused { status, detail } => {
                let kind = match *status {
                    StatusCode::BAD_REQUEST => ProblemKind::Invalid,
                    // What has no such call answers one of the two.
                    StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => ProblemKind::NotFound,
                    StatusCode::GONE => ProblemKind::Gone,
                    StatusCode::CONFLICT => ProblemKind::Conflict,
                    _ => ProblemKind::Unavailable,
                };
                Problem::new(kind, format!("the dump service {service} refuses: {detail}"))
            }
            CallError::Unreadable(_) | CallError::TooLarge(_) => Problem::new(
                ProblemKind::Unavailable,
                format!("the dump service {service} cannot be understood: {error}"),
            ),
        }
    }
}

/// What a report of a verification says under a name; what an older agent does not say is not checked.
fn part_of<T: DeserializeOwned + Default>(report: &serde_json::Value, name: &str) -> T {
    report.get(name).and_then(|part| serde_json::from_value(part.clone()).ok()).unwrap_or_default()
}

/// Stretches of memory as the header names them: `0x0-0xfff, 0x2000-0x2fff`. What cannot be read is left out.
fn ranges_in(text: &str) -> Vec<AddressRange> {
    let number = |text: &str| u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok();
    let range = |text: &str| {
        let (first, last) = text.split_once('-')?;
        Some(AddressRange { first: number(first)?, last: number(last)? })
    };
    text.split(',').filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_left_out_is_read_from_its_header() {
        let told = ranges_in("0x0-0xfff, nothing, 0x2000-0x2fff");
        assert_eq!(
            told,
            [AddressRange { first: 0, last: 0xfff }, AddressRange { first: 0x2000, last: 0x2fff }]
        );
    }
}
