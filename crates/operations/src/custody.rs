//! What a chain of custody says: who took what, what vouches for it, and what was done with it since. Who writes it down is
//! above this.

use memdeck_catalog::Catalog;
use memdeck_model::audit::{
    AuditAction, AuditDetails, AuditEntry, AuditFilter, AuditObject, AuditQuery, AuditResult,
};
use memdeck_model::retention::{Hold, HoldOf};
use memdeck_model::{
    Actor, DumpId, Manifest, Message, Permission, Problem, ProblemKind, Record, Remark, Timestamp,
    Verification,
};

use crate::audit::Deed;
use crate::{Caller, Operations, Vouchers};

/// The most dumps of a case that one document tells of.
const MOST_DUMPS: u32 = 200;
/// The most entries of the audit about one dump. A download in thousands of parts has two for each.
const MOST_ENTRIES: usize = 10_000;
/// Dumps behind one among which the next of its chain is looked for: dumps that run at the same time may be recorded in
/// another order than that in which they were sealed.
const LOOKED_AT: u32 = 4;

/// What a document is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustodyOf {
    /// One dump, as somebody names it.
    Dump(String),
    /// Every dump of a case.
    Case(Remark),
}

/// What a document says.
#[derive(Clone, Debug)]
pub struct Custody {
    /// The case, where it is about one.
    pub case: Option<Remark>,
    pub made_at: Timestamp,
    /// For whom.
    pub made_for: Actor,
    /// The dumps, the oldest first.
    pub dumps: Vec<DumpCustody>,
}

/// What it says of a dump.
#[derive(Clone, Debug)]
pub struct DumpCustody {
    pub dump_id: DumpId,
    pub record: Record,
    /// The manifest, or why it is not known now.
    pub manifest: Result<Manifest, Message>,
    /// Who vouches for it, as it was found now.
    pub vouchers: Vouchers,
    /// The dumps before and behind it in its host's chain, where they are known here.
    pub before: Option<Record>,
    pub behind: Option<Record>,
    /// How the newest verification ended.
    pub verification: Option<Verification>,
    /// What keeps or kept it from being deleted.
    pub holds: Vec<Hold>,
    /// What was noted about it, the oldest first.
    pub noted: Vec<AuditEntry>,
    /// Whether there are older entries than these.
    pub is_cut: bool,
}

impl Operations {
    /// What is known of the custody of a dump or a case. That somebody asked for it is noted first, so it tells of itself.
    ///
    /// # Errors
    /// The caller may not read the audit, there is no such dump, no or too many dumps of the case, or the catalog failed.
    pub async fn custody(&self, of: CustodyOf, caller: &Caller) -> Result<Custody, Problem> {
        caller.must(Permission::View)?;
        caller.must(Permission::ReadAudit)?;
        let (case, records) = match of {
            CustodyOf::Dump(dump_id) => (None, vec![self.images.record(&dump_id, caller).await?]),
            CustodyOf::Case(case) => {
                let records = self.records_of_case(&case).await?;
                (Some(case), records)
            }
        };
        let object = match (&case, records.first()) {
            (None, Some(Record { dump_id: Some(dump_id), dom, host, .. })) => AuditObject::Dump {
                dump_id: dump_id.clone(),
                guest: Some(dom.0.clone()),
                uuid: None,
                host: host.clone(),
            },
            (case, _) => {
                let name = case.as_ref().map(Remark::as_str).unwrap_or_default().to_owned();
                AuditObject::Case { name }
            }
        };
        let count = u64::try_from(records.len()).ok();
        let details = AuditDetails { count, ..AuditDetails::default() };
        let deed = Deed::new(AuditAction::CustodyShown, object).with(details);
        self.audit.note(caller, deed, AuditResult::Succeeded).await?;
        let holds = self.list_holds(caller).await?.holds;
        let mut dumps = Vec::with_capacity(records.len());
        for record in records {
            if let Some(dump_id) = record.dump_id.clone() {
                dumps.push(self.custody_of(dump_id, record, &holds, caller).await?);
            }
        }
        Ok(Custody { case, made_at: self.clock.now(), made_for: caller.actor.clone(), dumps })
    }

    async fn records_of_case(&self, case: &Remark) -> Result<Vec<Record>, Problem> {
        let wanted = case.clone();
        let records =
            self.of_catalog(move |catalog| catalog.records_of_case(&wanted, MOST_DUMPS + 1)).await?;
        if records.is_empty() {
            let detail = format!("no dump was taken for the case '{}'", case.as_str());
            return Err(Problem::new(ProblemKind::NotFound, detail));
        }
        if records.len() > MOST_DUMPS as usize {
            let detail = format!(
                "more than {MOST_DUMPS} dumps were taken for the case '{}': ask for them one by one",
                case.as_str()
            );
            return Err(Problem::new(ProblemKind::Invalid, detail));
        }
        Ok(records)
    }

    async fn custody_of(
        &self,
        dump_id: DumpId,
        record: Record,
        holds: &[Hold],
        caller: &Caller,
    ) -> Result<DumpCustody, Problem> {
        let manifest = self.images.manifest(dump_id.as_str(), caller).await;
        let manifest = manifest
            .map_err(|problem| problem.detail)
            .and_then(|described| described.read().map_err(|problem| problem.detail));
        let vouchers = self.images.vouchers(dump_id.as_str(), caller).await.unwrap_or_default();
        let previous = manifest.as_ref().ok().and_then(|of| of.host_chain.as_ref()?.previous.clone());
        let before = match previous {
            Some(sha256) => self.of_catalog(move |catalog| catalog.record_of_manifest(&sha256)).await?,
            None => None,
        };
        let behind = self.behind(&dump_id, &record, caller).await?;
        let of = dump_id.clone();
        let verification = self.of_catalog(move |catalog| catalog.verification_of(&of)).await?;
        let of = dump_id.clone();
        let (noted, is_cut) = self.of_catalog(move |catalog| noted(catalog, &of)).await?;
        let is_held = |hold: &&Hold| match &hold.of {
            HoldOf::Case(case) => record.case.as_ref() == Some(case),
            HoldOf::Dump(held) => *held == dump_id,
        };
        let mut holds: Vec<Hold> = holds.iter().filter(is_held).cloned().collect();
        holds.sort_by_key(|hold| hold.at);
        Ok(DumpCustody {
            dump_id,
            record,
            manifest,
            vouchers,
            before,
            behind,
            verification,
            holds,
            noted,
            is_cut,
        })
    }

    /// The dump whose manifest names that of this one as the one before it.
    async fn behind(
        &self,
        dump_id: &DumpId,
        record: &Record,
        caller: &Caller,
    ) -> Result<Option<Record>, Problem> {
        let Some(own) = record.manifest_sha256.as_deref() else { return Ok(None) };
        let of = dump_id.clone();
        let later = self.of_catalog(move |catalog| catalog.dumps_behind(&of, LOOKED_AT)).await?;
        for candidate in later {
            let Some(dump_id) = &candidate.dump_id else { continue };
            // One that cannot be read is not known to be the next.
            let Ok(manifest) = self.images.manifest(dump_id.as_str(), caller).await else { continue };
            let Ok(manifest) = manifest.read() else { continue };
            if manifest.host_chain.is_some_and(|place| place.previous.as_deref() == Some(own)) {
                return Ok(Some(candidate));
            }
        }
        Ok(None)
    }
}

/// The newest entries about a dump, the oldest first, and whether there are older ones.
fn noted(
    catalog: &Catalog,
    dump_id: &DumpId,
) -> Result<(Vec<AuditEntry>, bool), memdeck_catalog::CatalogError> {
    let filter = AuditFilter { dump_id: Some(dump_id.clone()), ..AuditFilter::default() };
    let (mut entries, mut before) = (Vec::new(), None);
    loop {
        let query = AuditQuery { filter: filter.clone(), before, limit: AuditQuery::MAX_LIMIT };
        let page = catalog.audit_page(&query)?;
        entries.extend(page.entries);
        before = page.next;
        if before.is_none() || entries.len() >= MOST_ENTRIES {
            entries.reverse();
            return Ok((entries, before.is_some()));
        }
    }
}
