//! The pages there are: one list for the router, the bar at the top, the titles of tabs, and the server, which sends the app
//! to whoever asks for one of them.

/// A page with an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// One guest at a glance.
    Gauges,
    /// Every guest with its load and its last dump.
    Vms,
    /// The collector: start, stop, state, diagnosis.
    Telemetry,
    /// Charts of one guest over time.
    Resources,
    /// Take dumps of guests, watch them being taken, find them again.
    MemoryDumps,
    /// What became of dumps over time.
    Trends,
    /// What changed between two dumps of a guest.
    Compare,
    /// What a guest itself knew when it was dumped.
    Inside,
    /// Where patterns are in the memory of dumps.
    Hunt,
    /// The machines whose guests are dumped.
    Hosts,
    /// Dumps that are taken by plan.
    Schedules,
    /// Which images are removed by rules, and which nobody may delete.
    Retention,
    /// Who is told what happens.
    Notifications,
    /// Who may do what, sessions and API tokens.
    Users,
    /// Who did what.
    Audit,
}

impl Page {
    /// Those of daily work, in the order of the bar.
    pub const DAILY: &[Self] =
        &[Self::Gauges, Self::Vms, Self::Telemetry, Self::Resources, Self::MemoryDumps, Self::Trends];

    /// Those that study what images hold, in the order of the menu *Study*.
    pub const STUDY: &[Self] = &[Self::Compare, Self::Inside, Self::Hunt];

    /// Those of administration, in the order of the menu *Manage*.
    pub const MANAGE: &[Self] =
        &[Self::Hosts, Self::Schedules, Self::Retention, Self::Notifications, Self::Users, Self::Audit];

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        [Self::DAILY, Self::STUDY, Self::MANAGE].into_iter().flatten().copied()
    }

    /// Its path on memdeck's site.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Gauges => "/",
            Self::Vms => "/vms",
            Self::Telemetry => "/telemetry",
            Self::Resources => "/resource-monitoring",
            Self::MemoryDumps => "/memory-dumps",
            Self::Trends => "/trends",
            Self::Compare => "/compare",
            Self::Inside => "/inside",
            Self::Hunt => "/hunt",
            Self::Hosts => "/hosts",
            Self::Schedules => "/schedules",
            Self::Retention => "/retention",
            Self::Notifications => "/notifications",
            Self::Users => "/users",
            Self::Audit => "/audit",
        }
    }

    /// What it is called: in the bar, above its content, and in the title of the tab.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gauges => "Main Gauges",
            Self::Vms => "VMs",
            Self::Telemetry => "Telemetry",
            Self::Resources => "Resource Monitoring",
            Self::MemoryDumps => "Memory Dumps",
            Self::Trends => "Trends",
            Self::Compare => "Compare",
            Self::Inside => "Inside",
            Self::Hunt => "Hunt",
            Self::Hosts => "Hosts",
            Self::Schedules => "Schedules",
            Self::Retention => "Retention",
            Self::Notifications => "Notifications",
            Self::Users => "Users",
            Self::Audit => "Audit",
        }
    }
}

/// Where development builds show every component. No page of the app: nothing leads there.
pub const SHOWCASE: &str = "/ui";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_a_path_and_a_name_of_its_own() {
        for page in Page::all() {
            assert!(page.path().starts_with('/') && (page == Page::Gauges || !page.path().ends_with('/')));
            let same = |other: &&Page| other.path() == page.path() || other.name() == page.name();
            assert_eq!(Page::all().filter(|other| same(&other)).count(), 1, "{page:?}");
        }
    }
}
