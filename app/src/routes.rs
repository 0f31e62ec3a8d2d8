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
}

impl Page {
    /// All of them, in the order of the bar.
    pub const ALL: [Self; 5] = [Self::Gauges, Self::Vms, Self::Telemetry, Self::Resources, Self::MemoryDumps];

    /// Its path on memdeck's site.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Gauges => "/",
            Self::Vms => "/vms",
            Self::Telemetry => "/telemetry",
            Self::Resources => "/resource-monitoring",
            Self::MemoryDumps => "/memory-dumps",
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
        for page in Page::ALL {
            assert!(page.path().starts_with('/') && (page == Page::Gauges || !page.path().ends_with('/')));
            let same = |other: &&Page| other.path() == page.path() || other.name() == page.name();
            assert_eq!(Page::ALL.iter().filter(same).count(), 1, "{page:?}");
        }
    }
}
