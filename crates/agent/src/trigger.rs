//! Asking a service for dumps.

use std::collections::BTreeMap;

use memdeck_model::{
    ALL_GUESTS, Actor, Capabilities, DumpOptions, DumpStatus, MAX_TRIGGER_TARGETS, ModeChoice, Omitted,
    RequestKey, Target, TriggerReply, TriggerRequest, VmRef,
};
use reqwest::Method;

use crate::call::{CallError, answer};
use crate::checked;
use crate::client::{ServiceClient, now};

/// What a service answered to a request for dumps.
#[derive(Debug, Default)]
pub struct Asked {
    /// The present state of each guest that was named, by [`Target::vm`].
    pub dumps: BTreeMap<String, DumpStatus>,
    /// Where all guests were asked for: those that are left out.
    pub omitted: Vec<Omitted>,
}

impl ServiceClient {
    /// Asks a dump service for dumps; the present state of each guest that was named. However many there are, none is
    /// left out: they go in as many calls as they need. A service that knows the request again by `key` dumps nothing twice.
    ///
    /// # Errors
    /// The service does not answer, refuses, or answers what cannot be read.
    pub async fn trigger(
        &self,
        targets: &[Target],
        options: &DumpOptions,
        capabilities: Capabilities,
        requested_by: &Actor,
        key: Option<&RequestKey>,
    ) -> Result<BTreeMap<String, DumpStatus>, CallError> {
        let mut dumps = BTreeMap::new();
        for (number, targets) in targets.chunks(MAX_TRIGGER_TARGETS).enumerate() {
            let sent: Vec<VmRef> = targets.iter().map(|target| sent_as(target, capabilities)).collect();
            let call = self.request(Method::POST, &["api", "dumps"]);
            let call = match key {
                Some(key) => call.header(RequestKey::HEADER, key.of_call(number).as_str()),
                None => call,
            };
            let call = if capabilities.options {
                let requested_by = capabilities.actors.then(|| requested_by.clone());
                let (request, options) = (TriggerRequest::of(sent.clone()), options.clone());
                call.json(&TriggerRequest { requested_by, options, ..request })
            } else {
                call.json(&serde_json::json!({"vms": sent}))
            };
            let mut statuses: BTreeMap<String, DumpStatus> = answer(call).await?;
            for (target, sent) in targets.iter().zip(&sent) {
                let Some(status) = statuses.remove(sent.as_str()) else {
                    return Err(CallError::Unreadable(format!(
                        "it does not say what becomes of VM '{sent}'"
                    )));
                };
                dumps.insert(target.vm.to_string(), checked::status(status, now()));
            }
        }
        Ok(dumps)
    }

    /// Asks a dashboard for dumps of the guests that these texts name, or of all.
    ///
    /// # Errors
    /// The dashboard does not answer, refuses, or answers what cannot be read.
    pub async fn trigger_on_dashboard(
        &self,
        targets: Vec<VmRef>,
        options: DumpOptions,
        requested_by: &Actor,
    ) -> Result<Asked, CallError> {
        let request = TriggerRequest { options, ..TriggerRequest::of(targets).by(requested_by.clone()) };
        let call = self.request(Method::POST, &["api", "memory-dumps", "trigger"]).json(&request);
        let TriggerReply { vm_ids, dumps, omitted, .. } = answer(call).await?;
        if dumps.is_empty() && !vm_ids.is_empty() {
            return Err(CallError::Unreadable("it is an older memdeck; restart it".to_owned()));
        }
        let dumps = dumps.into_iter().map(|dump| (dump.dump_id.to_string(), dump)).collect();
        Ok(Asked { dumps, omitted })
    }
}

/// What of `options` the service would drop without a word; `None` where nothing.
pub fn refused_options(options: &DumpOptions, capabilities: Capabilities) -> Option<String> {
    let asked = [
        ("mode", options.mode != ModeChoice::Auto),
        ("pause budget", options.pause_budget_ms.is_some()),
        ("bandwidth", options.bandwidth_mibps.is_some()),
        ("case number", options.case.is_some()),
        ("note", options.note.is_some()),
        ("consent to encrypted memory", options.accept_encrypted),
    ];
    let dropped: Vec<&str> =
        asked.into_iter().filter(|(_, is_asked)| *is_asked).map(|(what, _)| what).collect();
    (!capabilities.options && !dropped.is_empty()).then(|| dropped.join(", no "))
}

/// How a service is told of a guest: by UUID where it takes one. Else by name, or by id where the name would be read as
/// an id or as all guests.
fn sent_as(target: &Target, capabilities: Capabilities) -> VmRef {
    let Some(guest) = &target.guest else { return target.vm.clone() };
    let name = target.vm.as_str();
    let is_mistakable = name == ALL_GUESTS || name.bytes().all(|byte| byte.is_ascii_digit());
    let text = if capabilities.uuids {
        &guest.uuid
    } else if is_mistakable {
        &guest.vmid
    } else {
        name
    };
    VmRef::new(text).unwrap_or_else(|_| target.vm.clone())
}
