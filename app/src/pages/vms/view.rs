//! How the page of guests is looked at, and its form in the address.

use memdeck_model::{Guest, GuestState, SearchText};

use crate::routes::Page;

/// What the cards are ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// From A to Z.
    #[default]
    Name,
    /// The busiest first.
    Cpu,
    /// The fullest first.
    Memory,
    /// The most received and sent first.
    Network,
    /// The most read and written first.
    Disk,
}

impl Sort {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Name, Self::Cpu, Self::Memory, Self::Network, Self::Disk];

    /// The word in the address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Network => "network",
            Self::Disk => "disk",
        }
    }

    /// What it is called.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Cpu => "CPU, highest first",
            Self::Memory => "Memory, highest first",
            Self::Network => "Network, highest first",
            Self::Disk => "Disk, highest first",
        }
    }
}

/// States that guests are filtered by.
pub const STATES: [GuestState; 7] = [
    GuestState::Running,
    GuestState::Paused,
    GuestState::Shutoff,
    GuestState::Shutdown,
    GuestState::Crashed,
    GuestState::Suspended,
    GuestState::Blocked,
];

/// What the address says about the cards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VmsView {
    /// Text to search for.
    pub search: String,
    /// What guests do.
    pub state: Option<GuestState>,
    /// In what order.
    pub sort: Sort,
    /// Whether the cards of each host stand together.
    pub by_host: bool,
}

impl VmsView {
    /// Reads the part of an address behind the question mark. What means nothing is passed over.
    pub fn from_query(query: &str) -> Self {
        let mut view = Self::default();
        for (name, value) in form_urlencoded::parse(query.trim_start_matches('?').as_bytes()) {
            match name.as_ref() {
                "search" => {
                    value.parse::<SearchText>().map(|text| view.search = text.into()).unwrap_or_default();
                }
                "state" => view.state = STATES.into_iter().find(|state| state.as_str() == value),
                "group" => view.by_host = value == "host",
                "sort" => {
                    view.sort = Sort::ALL.into_iter().find(|sort| sort.as_str() == value).unwrap_or_default();
                }
                _ => {}
            }
        }
        view
    }

    /// The address. What is as it is anyway is left out.
    pub fn href(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.search.is_empty() {
            query.append_pair("search", &self.search);
        }
        if let Some(state) = self.state {
            query.append_pair("state", state.as_str());
        }
        if self.sort != Sort::default() {
            query.append_pair("sort", self.sort.as_str());
        }
        if self.by_host {
            query.append_pair("group", "host");
        }
        let query = query.finish();
        let path = Page::Vms.path();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }

    /// Whether some guests are left out.
    pub fn is_filtered(&self) -> bool {
        !self.search.is_empty() || self.state.is_some()
    }

    /// Whether `guest` is shown.
    pub fn shows(&self, guest: &Guest) -> bool {
        self.state.is_none_or(|state| state == guest.state) && is_found(&self.search, guest)
    }
}

/// Whether what the operator looks for is in the name of the guest or of its host, begins its UUID, or is its id.
fn is_found(text: &str, guest: &Guest) -> bool {
    let text = text.trim();
    let Ok(search) = text.parse::<SearchText>() else { return text.is_empty() };
    search.is_part_of(&guest.name.0)
        || guest.host.as_ref().is_some_and(|host| search.is_part_of(host.as_str()))
        || guest.uuid.starts_with(&text.to_ascii_lowercase())
        || guest.id.is_some_and(|id| id.to_string() == text)
}

#[cfg(test)]
pub mod tests {
    use memdeck_model::{ByteCount, GuestName};

    use super::*;

    pub fn guest(name: &str, id: u32, state: GuestState) -> Guest {
        Guest {
            host: None,
            id: Some(id),
            name: GuestName(name.into()),
            uuid: format!("11051664-{name}"),
            state,
            vcpus: 1,
            memory_max: ByteCount(0),
            memory: ByteCount(0),
            cpu_time_ns: 0,
        }
    }

    #[test]
    fn an_address_is_read_back_as_it_was_written() {
        let all = "?search=a&state=shutoff&sort=disk&group=host";
        for query in ["", "?search=web+%26+db", "?state=paused&sort=cpu", all] {
            assert_eq!(VmsView::from_query(query).href(), format!("/vms{query}"));
        }
        let nonsense = VmsView::from_query("?search=%00&state=lost&sort=up&group=x&x=1");
        assert_eq!(nonsense, VmsView::default());
    }

    #[test]
    fn a_guest_is_found_by_a_part_of_its_name_its_id_or_the_start_of_its_uuid_and_its_state() {
        let web = guest("Web-01", 17, GuestState::Running);
        let shows = |query: &str| VmsView::from_query(query).shows(&web);
        assert!(["", "search=web", "search=17", "search=11051664-", "state=running"].into_iter().all(shows));
        assert!(
            !["search=db", "search=7", "search=web&state=paused", "state=shutoff"].into_iter().any(shows)
        );
        assert!(
            VmsView::from_query("state=paused").is_filtered()
                && !VmsView::from_query("sort=cpu").is_filtered()
        );
    }
}
