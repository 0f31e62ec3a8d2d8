//! The hosts of one memdeck: mostly one, several where the configuration names them.
//!
//! With one host its answers are passed on as they are. With several, guests, dumps and events carry the name of their host,
//! all of them are asked at the same time and each for a limited time, and one that is away keeps nobody from the others.

mod everyone;
mod health;
mod member;
mod owners;
mod resolve;
mod state;
mod statuses;
mod trigger;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use memdeck_model::{
    Actor, DumpId, Event, FrozenPause, Guest, GuestState, HostId, Message, Omitted, OmittedWhy, Problem,
    ProblemKind,
};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{Host, HostError, ImageHost, Origin};

pub use everyone::Everyone;
pub use member::Member;
use owners::Owners;
pub use resolve::Assignment;
pub(crate) use statuses::ambiguous;

/// The hosts, in the order of the configuration. There is at least one. Which there are changes when the configuration is read
/// anew.
pub struct Hosts {
    list: RwLock<Arc<List>>,
    owners: Owners,
    changed: watch::Sender<()>,
}

struct List {
    first: Arc<Member>,
    others: Vec<Arc<Member>>,
}

impl List {
    fn all(&self) -> impl Iterator<Item = &Arc<Member>> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// Two hosts have one name.
#[derive(Debug, thiserror::Error)]
#[error("two hosts are called {0}")]
pub struct SameName(pub HostId);

impl Hosts {
    /// One host, whatever it is called.
    #[must_use]
    pub fn one(name: HostId, host: Arc<dyn Host>) -> Self {
        Self::of(List { first: Arc::new(Member::new(name, host)), others: Vec::new() })
    }

    /// These hosts.
    ///
    /// # Errors
    /// Two have one name.
    pub fn new(
        first: (HostId, Arc<dyn Host>),
        others: Vec<(HostId, Arc<dyn Host>)>,
    ) -> Result<Self, SameName> {
        distinct(&first, &others)?;
        let member = |(name, host)| Arc::new(Member::new(name, host));
        Ok(Self::of(List { first: member(first), others: others.into_iter().map(member).collect() }))
    }

    fn of(list: List) -> Self {
        let changed = watch::channel(()).0;
        Self { list: RwLock::new(Arc::new(list)), owners: Owners::default(), changed }
    }

    /// From now on there are these hosts. One that was there before keeps what is known of it; one with the name of another
    /// is kept from new dumps as that one was.
    ///
    /// # Errors
    /// Two have one name; then nothing changes.
    pub fn replace(
        &self,
        first: (HostId, Arc<dyn Host>),
        others: Vec<(HostId, Arc<dyn Host>)>,
    ) -> Result<(), SameName> {
        distinct(&first, &others)?;
        {
            let mut list = self.list.write();
            let member = |(name, host): (HostId, Arc<dyn Host>)| {
                let before = list.all().find(|member| *member.name() == name);
                match before {
                    Some(before) if Arc::ptr_eq(before.host(), &host) => Arc::clone(before),
                    before => {
                        let member = Member::new(name, host);
                        member.set_draining(before.is_some_and(|before| before.is_draining()));
                        Arc::new(member)
                    }
                }
            };
            let (first, others) = (member(first), others.into_iter().map(member).collect());
            *list = Arc::new(List { first, others });
        }
        self.changed.send_replace(());
        Ok(())
    }

    /// Hears when there are other hosts than before.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn list(&self) -> Arc<List> {
        Arc::clone(&self.list.read())
    }

    /// Whether there is more than one, so that answers say which one they are about.
    #[must_use]
    pub fn are_many(&self) -> bool {
        !self.list().others.is_empty()
    }

    /// All of them.
    pub fn members(&self) -> impl Iterator<Item = Arc<Member>> + use<> {
        self.list().all().cloned().collect::<Vec<_>>().into_iter()
    }

    /// The first one; the only one where there are not many.
    #[must_use]
    pub fn first(&self) -> Arc<Member> {
        Arc::clone(&self.list().first)
    }

    /// The host of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Arc<Member>> {
        self.members().find(|member| member.name().as_str() == name)
    }

    /// The host of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn expect(&self, name: &str) -> Result<Arc<Member>, Problem> {
        self.named(name).ok_or_else(|| {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(HostId::MAX_BYTES).collect();
            let detail = format!("there is no host '{shown}'; there are: {}", self.names());
            Problem::new(ProblemKind::NotFound, detail)
        })
    }

    /// Their names, separated by commas.
    #[must_use]
    pub fn names(&self) -> String {
        self.list().all().map(|member| member.name().as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The name that answers about this host carry: none where there is only one.
    pub(crate) fn label(&self, member: &Member) -> Option<HostId> {
        self.are_many().then(|| member.name().clone())
    }

    /// What names them as a service: the URL, or `local`; of several the names, separated by commas.
    #[must_use]
    pub fn address(&self) -> String {
        if self.are_many() { self.names() } else { self.first().host().address().to_owned() }
    }

    /// Where the guests are from: a libvirt URI or the URL of a service; of several hosts the names.
    #[must_use]
    pub fn guests_of(&self) -> String {
        if self.are_many() { self.names() } else { self.first().host().guests_of() }
    }

    /// The name of the only host as it calls itself; `None` while that is not known, and of several.
    #[must_use]
    pub fn own_name(&self) -> Option<String> {
        if self.are_many() { None } else { self.first().host().name() }
    }

    /// The guests of all hosts by name. Of one that does not answer, those it had last, in an unknown state.
    ///
    /// # Errors
    /// No host answers.
    pub async fn guests(&self) -> Result<Vec<Guest>, Problem> {
        if !self.are_many() {
            return self.first().host().guests().await;
        }
        let answers = join_all(self.members().map(|member| async move {
            let guests = member.guests().await;
            (member, guests)
        }))
        .await;
        if answers.iter().all(|(_, answer)| answer.is_err()) {
            let failures = answers.iter().filter_map(|(member, answer)| {
                Some(format!("{}: {}", member.name(), answer.as_ref().err()?.detail))
            });
            let detail = failures.collect::<Vec<_>>().join("; ");
            return Err(Problem::new(ProblemKind::Unavailable, detail));
        }
        let of_one = |(member, answer): (Arc<Member>, Result<Vec<Guest>, Problem>)| {
            answer.unwrap_or_else(|_| {
                let unknown = |guest| Guest { state: GuestState::Unknown, ..guest };
                member.last_guests().unwrap_or_default().into_iter().map(unknown).collect()
            })
        };
        let mut guests: Vec<Guest> = answers.into_iter().flat_map(of_one).collect();
        guests.sort_by(|a, b| (&a.name, &a.host).cmp(&(&b.name, &b.host)));
        Ok(guests)
    }

    /// Ends a dump, wherever it is. False if no host knows it.
    ///
    /// # Errors
    /// Its host does not answer.
    pub async fn cancel(&self, dump_id: DumpId, by: &Actor) -> Result<bool, HostError> {
        if !self.are_many() {
            return self.first().host().cancel(dump_id, by).await;
        }
        if let Some(owner) = self.owner(&dump_id) {
            return owner.host().cancel(dump_id, by).await;
        }
        let asked = self.members().map(|member| {
            let dump_id = dump_id.clone();
            async move { member.ask(member.host().cancel(dump_id, by)).await }
        });
        let mut failure = None;
        for answer in join_all(asked).await {
            match answer {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(false), Err)
    }

    /// How long a guest may stand still, and how fast one is read. Of several hosts the least of both: a warning too many is
    /// the smaller evil.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn frozen_pause(&self) -> Result<Option<FrozenPause>, HostError> {
        if !self.are_many() {
            return self.first().host().frozen_pause().await;
        }
        let told = join_all(
            self.members().map(|member| async move { member.ask(member.host().frozen_pause()).await }),
        )
        .await;
        let slower = |a: FrozenPause, b: FrozenPause| FrozenPause {
            limit_ms: a.limit_ms.min(b.limit_ms),
            bytes_per_s: match (a.bytes_per_s, b.bytes_per_s) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            measured_from: a.measured_from.saturating_add(b.measured_from),
        };
        Ok(told.into_iter().filter_map(Result::ok).flatten().reduce(slower))
    }

    /// An event of a host, with its host's name.
    pub(crate) fn labelled(&self, host: &HostId, event: Event) -> Event {
        match event {
            Event::Dump(mut status) if self.are_many() => {
                self.owners.note(&status.dump_id, host);
                status.host = Some(host.clone());
                Event::Dump(status)
            }
            event => event,
        }
    }

    /// The host that has a dump, as far as that was seen since the start.
    #[must_use]
    pub fn owner(&self, dump_id: &DumpId) -> Option<Arc<Member>> {
        self.named(self.owners.of(dump_id)?.as_str())
    }

    /// The host whose service a record came from.
    #[must_use]
    pub fn of_origin(&self, origin: &str) -> Option<Arc<Member>> {
        let ranked = self.members().map(|member| (member.host().images().origin(origin), member));
        let (found, member) = ranked.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        (found > Origin::Elsewhere).then_some(member)
    }

    /// The hosts that are reached over HTTP.
    pub fn services(&self) -> impl Iterator<Item = Arc<Member>> + use<> {
        self.members().filter(|member| !member.is_here())
    }

    /// The images of the hosts that are reached over HTTP.
    pub(crate) fn service_images(&self) -> impl Iterator<Item = Arc<dyn ImageHost>> + use<> {
        self.services().map(|member| member.host().images())
    }
}

fn distinct(first: &(HostId, Arc<dyn Host>), others: &[(HostId, Arc<dyn Host>)]) -> Result<(), SameName> {
    let mut names = BTreeSet::from([&first.0]);
    let twice = others.iter().find(|(name, _)| !names.insert(name));
    twice.map_or(Ok(()), |(name, _)| Err(SameName(name.clone())))
}

/// A guest that a request leaves out because of its host.
fn left_out(guest: &Guest, why: OmittedWhy, reason: impl Into<Message>) -> Omitted {
    Omitted::new(guest, why, reason.into())
}
