//! What a command reads out of stored images by itself stands in the audit of the state directory, as what a service hands out
//! does: that it begins before the first byte, how it ended behind the last one. A service may run meanwhile.
//!
//! Noted is what the catalog knows. Nobody keeps an audit of other files: a copy of an image on the machine of an analyst is read
//! without one.

use std::path::Path;

use memdeck_catalog::{AuditBeside, Catalog, CatalogError};
use memdeck_model::audit::{AuditAction, AuditDetails, AuditObject, AuditResult, NewEntry};
use memdeck_model::{Actor, DumpId, Record};

use super::named_image::NamedImage;
use super::output::say;
use super::service::operator;
use super::{Failure, with_causes};
use crate::config::Config;
use crate::node::clock;
use crate::ownership;

/// The audit in which a command notes what it reads.
pub struct TakingAudit {
    /// Nothing where there is no catalog, or none that can be used.
    audit: Option<AuditBeside>,
    /// Why there is none although there is a catalog.
    unusable: Option<String>,
    state_dir: String,
    actor: Actor,
}

impl TakingAudit {
    /// That of a state directory. What others may write to is no audit.
    pub fn of(state_dir: &Path) -> Self {
        let opened = || {
            ownership::check_directory(state_dir).map_err(|error| with_causes(&error))?;
            AuditBeside::open(state_dir).map_err(|error| with_causes(&error))
        };
        let is_there = state_dir.join(Catalog::FILE_NAME).exists();
        let (audit, unusable) = match is_there.then(opened) {
            None => (None, None),
            Some(Ok(audit)) => (Some(audit), None),
            Some(Err(why)) => (None, Some(why)),
        };
        Self { audit, unusable, state_dir: state_dir.display().to_string(), actor: operator() }
    }

    /// The dump of a record as the audit names it; `None` if the catalog has no such record.
    pub fn known(&self, record: Option<&Record>) -> Result<Option<AuditObject>, CatalogError> {
        let (Some(audit), Some(record)) = (&self.audit, record) else { return Ok(None) };
        let Some(dump_id) = &record.dump_id else { return Ok(None) };
        Ok(audit.knows(dump_id)?.then(|| about(dump_id, record)))
    }

    /// The same of a dump whose record is not at hand, which was of that guest.
    pub fn known_by_id(&self, dump_id: &DumpId, guest: &str) -> Result<Option<AuditObject>, CatalogError> {
        let Some(audit) = &self.audit else { return Ok(None) };
        let object = || AuditObject::Dump {
            dump_id: dump_id.clone(),
            guest: Some(guest.to_owned()),
            uuid: None,
            host: None,
        };
        Ok(audit.knows(dump_id)?.then(object))
    }

    /// Notes each of these, all or none, and returns their numbers.
    ///
    /// # Errors
    /// The catalog failed. What had to be noted must not be done then.
    pub fn note(
        &self,
        action: AuditAction,
        entries: Vec<(AuditObject, AuditResult, AuditDetails)>,
    ) -> Result<Vec<u64>, CatalogError> {
        let Some(audit) = self.audit.as_ref().filter(|_| !entries.is_empty()) else { return Ok(Vec::new()) };
        let now = clock().now();
        let entry = |(object, result, details)| {
            NewEntry::new(now, self.actor.clone(), action, object).with_result(result).with(details)
        };
        audit.note(&entries.into_iter().map(entry).collect::<Vec<_>>())
    }

    /// Whether there is a catalog, so that somebody may expect to find in its audit what was done.
    pub fn is_expected(&self) -> bool {
        self.audit.is_some() || self.unusable.is_some()
    }

    /// Says that what was read is not in the audit.
    pub fn tell_missing(&self, what: &str) {
        let state_dir = &self.state_dir;
        let why = match &self.unusable {
            Some(why) => format!("cannot be used: {why}"),
            None => "does not know it".to_owned(),
        };
        say(format_args!("not in the audit: {what}; the catalog in {state_dir} {why}"));
    }

    /// The failure of a command that reads nothing, because it cannot be noted.
    pub fn refused(&self, error: &CatalogError) -> Failure {
        self.refused_because(&with_causes(error))
    }

    /// The same where there is no audit that can be used.
    pub fn refused_without(&self) -> Failure {
        self.refused_because(self.unusable.as_deref().unwrap_or("there is none"))
    }

    fn refused_because(&self, why: &str) -> Failure {
        let state_dir = &self.state_dir;
        Failure::new(format!("nothing was read: it cannot be noted in the audit in {state_dir}: {why}"))
    }
}

/// A dump as the audit names it.
fn about(dump_id: &DumpId, record: &Record) -> AuditObject {
    AuditObject::Dump {
        dump_id: dump_id.clone(),
        guest: Some(record.dom.0.clone()),
        uuid: None,
        host: record.host.clone(),
    }
}

/// Images that a command has begun to read.
#[must_use = "how it ended is to be noted"]
pub struct Taking {
    audit: TakingAudit,
    action: AuditAction,
    asked: AuditDetails,
    /// Of each image what it is of and the number of its entry, if the catalog knows it.
    begun: Vec<Option<(AuditObject, u64)>>,
    /// The first image that is not known, and how many there are.
    unknown: Option<(String, usize)>,
}

impl Taking {
    /// Notes that these images are about to be read. `asked` says by which command, and as what.
    ///
    /// # Errors
    /// The catalog knows them, and its audit cannot be written.
    pub fn begin(
        config: &Config,
        images: &[&NamedImage],
        action: AuditAction,
        asked: AuditDetails,
    ) -> Result<Self, Failure> {
        let audit = TakingAudit::of(&config.state_dir);
        let known: Result<Vec<_>, _> = images.iter().map(|image| audit.known(image.record())).collect();
        let known = known.map_err(|error| audit.refused(&error))?;
        let unknown =
            || images.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(image, _)| image);
        let unknown = unknown().next().map(|first| (shown(&first.path), unknown().count()));
        let begun = |object: AuditObject| (object, AuditResult::Begun, asked.clone());
        let entries = known.iter().flatten().cloned().map(begun).collect();
        let mut numbers = audit.note(action, entries).map_err(|error| audit.refused(&error))?.into_iter();
        let begun = known.into_iter().map(|known| known.and_then(|object| Some((object, numbers.next()?))));
        let begun = begun.collect();
        Ok(Self { audit, action, asked, begun, unknown })
    }

    /// Notes that all of them were read, or why not.
    pub fn end(self, result: AuditResult, details: &AuditDetails) {
        let each = self.begun.iter().map(|_| (result, details.clone())).collect();
        self.end_each(each);
    }

    /// Notes how it went with each of them, in their order. What cannot be noted any more is said.
    pub fn end_each(self, ends: Vec<(AuditResult, AuditDetails)>) {
        let was_read = ends.iter().any(|(result, _)| *result == AuditResult::Succeeded);
        let ended = self.begun.into_iter().zip(ends).filter_map(|(begun, (result, details))| {
            let (object, seq) = begun?;
            let asked = self.asked.clone();
            let details = AuditDetails {
                begun: Some(seq),
                name: asked.name,
                format: asked.format,
                part: asked.part,
                ..details
            };
            Some((object, result, details))
        });
        if let Err(error) = self.audit.note(self.action, ended.collect()) {
            say(format_args!("memdeck: how it ended is not in the audit: {}", with_causes(&error)));
        }
        if let Some((first, count)) = self.unknown.filter(|_| was_read && self.audit.is_expected()) {
            let what = if count == 1 { first } else { format!("{first} and {} more", count - 1) };
            self.audit.tell_missing(&what);
        }
    }
}

/// By which command, and as what, images are read.
pub fn by(command: &str, format: Option<&str>) -> AuditDetails {
    AuditDetails {
        name: Some(format!("memdeck {command}")),
        format: format.map(str::to_owned),
        ..AuditDetails::default()
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
