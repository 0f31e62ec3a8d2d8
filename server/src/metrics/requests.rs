//! Requests that were answered since the program started, by route.

use std::collections::BTreeMap;
use std::time::Duration;

use memdeck_model::Histogram;
use parking_lot::Mutex;

/// Bounds of the time until the head of an answer, in seconds.
const ANSWERED_S: &[f64] = &[0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];
/// The route of what no route takes, and the method that is no ordinary one: a stranger makes up any number of both.
const OTHER: &str = "other";
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The requests of one route.
#[derive(Clone, Debug)]
pub struct RouteFigures {
    /// How many there were, by method and status.
    pub answers: BTreeMap<(&'static str, u16), u64>,
    /// How long the heads of their answers took, in seconds.
    pub durations: Histogram,
}

/// Counts of requests. There are as many routes as the router has.
#[derive(Debug, Default)]
pub struct Requests(Mutex<BTreeMap<String, RouteFigures>>);

impl Requests {
    /// Counts a request that `route` answered.
    pub fn count(&self, route: Option<&str>, method: &str, status: u16, took: Duration) {
        let route = route.unwrap_or(OTHER);
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER);
        let mut routes = self.0.lock();
        if !routes.contains_key(route) {
            let none = RouteFigures { answers: BTreeMap::new(), durations: Histogram::new(ANSWERED_S) };
            routes.insert(route.to_owned(), none);
        }
        if let Some(figures) = routes.get_mut(route) {
            *figures.answers.entry((method, status)).or_default() += 1;
            figures.durations.add(took.as_secs_f64());
        }
    }

    /// What was counted.
    #[must_use]
    pub fn by_route(&self) -> BTreeMap<String, RouteFigures> {
        self.0.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_make_up_makes_no_new_series() {
        let requests = Requests::default();
        for number in 0..100 {
            requests.count(None, &format!("METHOD{number}"), 404, Duration::ZERO);
        }
        requests.count(Some("/api/dumps"), "POST", 200, Duration::from_millis(3));
        let routes = requests.by_route();
        assert_eq!(routes.keys().collect::<Vec<_>>(), ["/api/dumps", "other"]);
        assert_eq!(routes["other"].answers, [(("other", 404), 100)].into());
        assert_eq!(routes["/api/dumps"].durations.cumulative().nth(1), Some((0.005, 1)));
    }
}
