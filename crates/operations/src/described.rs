//! What a host describes, which may be of another version of memdeck.

use std::marker::PhantomData;

use memdeck_model::{Problem, ProblemKind};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The description of a `T` in the fields that its host gave it: passed on whole, also with fields that are unknown here, and
/// read where it is shown.
///
/// These are the fields and not the bytes: the hash in a record is that of the manifest's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct Described<T> {
    fields: Value,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize> Described<T> {
    /// As this host describes it.
    ///
    /// # Errors
    /// A field of it has no JSON.
    pub fn new(described: &T) -> Result<Self, serde_json::Error> {
        Ok(Self { fields: serde_json::to_value(described)?, of: PhantomData })
    }
}

impl<T: DeserializeOwned> Described<T> {
    /// As this version understands it.
    ///
    /// # Errors
    /// The host is of another version, which describes it in another way.
    pub fn read(self) -> Result<T, Problem> {
        serde_json::from_value(self.fields).map_err(|error| {
            let detail = format!("the answer about the image is not one that memdeck understands ({error})");
            Problem::new(ProblemKind::Unavailable, detail)
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Known {
        known: u8,
    }

    #[test]
    fn fields_of_a_newer_version_are_passed_on_and_not_read() {
        let told = json!({"known": 1, "new": [2, 3]});
        let described: Described<Known> = serde_json::from_value(told.clone()).unwrap();
        assert_eq!(serde_json::to_value(&described).unwrap(), told);
        assert_eq!(described.read(), Ok(Known { known: 1 }));
    }

    #[test]
    fn what_is_described_in_another_way_is_a_problem_only_for_whoever_reads_it() {
        let described: Described<Known> = serde_json::from_value(json!({"other": true})).unwrap();
        assert_eq!(described.read().unwrap_err().kind, ProblemKind::Unavailable);
        assert_eq!(Described::new(&Known { known: 4 }).unwrap().read(), Ok(Known { known: 4 }));
    }
}
