//! What this process takes of the machine, as the kernel says.

use std::fs;

/// Ticks of a second in what the kernel tells programs, on every architecture that runs KVM.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process takes. `None` where the kernel did not say.
#[derive(Debug, Default)]
pub struct ProcessFigures {
    /// Time on a processor, in seconds.
    pub cpu_seconds: Option<f64>,
    /// When it began, in seconds since 1970-01-01T00:00:00Z.
    pub start_time_seconds: Option<f64>,
    /// Memory that is in RAM.
    pub resident_bytes: Option<u64>,
    /// Addresses that are in use.
    pub virtual_bytes: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open descriptors.
    pub open_descriptors: Option<u64>,
    /// Descriptors that may be open.
    pub max_descriptors: Option<u64>,
}

impl ProcessFigures {
    /// Of this process, now.
    #[must_use]
    pub fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let machine = fs::read_to_string("/proc/stat").unwrap_or_default();
        let descriptors = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        Self {
            // The one that lists them is not counted.
            open_descriptors: descriptors.and_then(|count| u64::try_from(count.saturating_sub(1)).ok()),
            max_descriptors: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            ..Self::told(&stat, &status, &machine)
        }
    }

    /// From `/proc/self/stat`, `/proc/self/status` and `/proc/stat`.
    fn told(stat: &str, status: &str, machine: &str) -> Self {
        // The name of the program, in brackets, may have blanks and brackets itself.
        let fields: Vec<f64> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(f64::NAN)))
            .into_iter()
            .flatten()
            .collect();
        // Counted from the parent's id, which is the fourth field of all.
        let ticks = |field: usize| {
            fields.get(field).filter(|value| value.is_finite()).map(|at| at / TICKS_PER_SECOND)
        };
        let of_status = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let booted = machine.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
        Self {
            cpu_seconds: ticks(10).zip(ticks(11)).map(|(user, system)| user + system),
            start_time_seconds: ticks(18).zip(booted).map(|(since_boot, booted)| since_boot + booted),
            resident_bytes: of_status("VmRSS").map(|kib| kib << 10),
            virtual_bytes: of_status("VmSize").map(|kib| kib << 10),
            threads: of_status("Threads"),
            open_descriptors: None,
            max_descriptors: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read_whatever_the_program_is_called() {
        let stat = "7 (mem) deck) S 1 7 7 0 -1 4194560 900 0 1 0 250 50 0 0 20 0 9 0 12345 170000 800 184467";
        let status = "Name:\tmemdeck\nVmSize:\t  2048 kB\nVmRSS:\t  1024 kB\nThreads:\t9\n";
        let figures = ProcessFigures::told(stat, status, "cpu 1 2\nbtime 1700000000\n");
        assert_eq!(figures.cpu_seconds, Some(3.0));
        assert_eq!(figures.start_time_seconds, Some(1_700_000_123.45));
        assert_eq!((figures.resident_bytes, figures.virtual_bytes), (Some(1 << 20), Some(2 << 20)));
        assert_eq!(figures.threads, Some(9));
    }

    #[test]
    fn this_process_has_all_of_it() {
        let figures = ProcessFigures::now();
        assert!(figures.cpu_seconds.is_some() && figures.max_descriptors.is_some());
        let began = figures.start_time_seconds.unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(now - began > -1.0 && now - began < 3600.0, "began {began}, now {now}");
        assert!(figures.open_descriptors.unwrap() >= 3 && figures.threads.unwrap() >= 1);
        assert!(figures.resident_bytes.unwrap() < figures.virtual_bytes.unwrap());
    }
}
