//! Whether the hosts answer, as one sentence for those who do not look at each.

use memdeck_model::{Capabilities, Message, ServiceHealth};

use super::Hosts;

impl Hosts {
    /// Whether the hosts answer, as far as that is known, and what they can do. Of several: an error where none answers, a
    /// warning where some do not, and what at least one of them can do.
    #[must_use]
    pub fn health(&self) -> ServiceHealth {
        if !self.are_many() {
            return self.first().host().health();
        }
        let told: Vec<(String, ServiceHealth)> =
            self.members().map(|member| (member.name().to_string(), member.host().health())).collect();
        let joined = |find: fn(&ServiceHealth) -> Option<&Message>| {
            let texts: Vec<String> =
                told.iter().filter_map(|(name, health)| Some(format!("{name}: {}", find(health)?))).collect();
            (!texts.is_empty()).then(|| Message::from(texts.join("; ")))
        };
        let all_are_away = told.iter().all(|(_, health)| health.error.is_some());
        ServiceHealth {
            service: self.names(),
            error: joined(|health| health.error.as_ref()).filter(|_| all_are_away),
            warning: joined(|health| health.error.as_ref().or(health.warning.as_ref()))
                .filter(|_| !all_are_away),
            capabilities: told.iter().map(|(_, health)| health.capabilities).fold(Capabilities::NONE, either),
        }
    }
}

fn either(a: Capabilities, b: Capabilities) -> Capabilities {
    Capabilities {
        uuids: a.uuids || b.uuids,
        options: a.options || b.options,
        cancel: a.cancel || b.cancel,
        images: a.images || b.images,
        guests: a.guests || b.guests,
        records: a.records || b.records,
        actors: a.actors || b.actors,
        request_keys: a.request_keys || b.request_keys,
        inside: a.inside || b.inside,
        telemetry: a.telemetry || b.telemetry,
    }
}
