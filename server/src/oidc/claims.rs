//! What the provider says of somebody. It is read after it was verified, and is not trusted to be small or plain.

use memdeck_model::AccountName;
use serde_json::{Map, Value};

/// More groups than anybody is in who can be let in by them.
const MOST_GROUPS: usize = 500;

/// The claims of a token, and what is said beside it.
pub type Claims = Map<String, Value>;

/// Somebody is in more groups than can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The claims of a token that was verified.
pub fn of_token(jwt: &str) -> Option<Claims> {
    use base64::Engine as _;
    let payload = jwt.split('.').nth(1)?;
    let json = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&json).ok()
}

/// The claim of this name; where there is none, what its points lead to within objects.
pub fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(name) {
        return Some(found);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

/// Who it is; `None` if nobody here can be called like that.
pub fn name(claims: &Claims, claim: &str) -> Option<AccountName> {
    find(claims, claim)?.as_str()?.trim().parse().ok()
}

/// The groups they are in: a list of texts, or one text. None at all, where the claim says something else.
///
/// # Errors
/// They are too many.
pub fn groups(claims: &Claims, claim: &str) -> Result<Vec<String>, TooMany> {
    match find(claims, claim) {
        Some(Value::String(group)) => Ok(vec![group.clone()]),
        Some(Value::Array(groups)) if groups.len() > MOST_GROUPS => Err(TooMany),
        Some(Value::Array(groups)) => {
            Ok(groups.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        }
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims(value: Value) -> Claims {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn groups_are_a_list_or_one_text_at_the_end_of_a_path() {
        let told = claims(json!({
            "groups": ["soc", 7, "ops"], "role": "soc", "a.b": ["x"], "a": {"b": ["y"], "c": {"d": ["z"]}}, "n": 1,
        }));
        for (claim, expected) in [
            ("groups", vec!["soc", "ops"]),
            ("role", vec!["soc"]),
            ("a.b", vec!["x"]),
            ("a.c.d", vec!["z"]),
            ("a.c", vec![]),
            ("n", vec![]),
            ("nothing", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(groups(&told, claim).unwrap(), expected, "{claim}");
        }
        let many = claims(json!({"groups": vec!["x"; MOST_GROUPS + 1]}));
        assert_eq!(groups(&many, "groups"), Err(TooMany));
    }

    #[test]
    fn a_name_is_one_that_an_account_could_have() {
        let told = claims(json!({
            "plain": "ada", "spaces": " ada@example.org ", "long": "x".repeat(65), "evil": "<b>", "none": null, "list": ["ada"],
        }));
        assert_eq!(name(&told, "plain").unwrap().as_str(), "ada");
        assert_eq!(name(&told, "spaces").unwrap().as_str(), "ada@example.org");
        for claim in ["long", "evil", "none", "list", "nothing"] {
            assert_eq!(name(&told, claim), None, "{claim}");
        }
    }

    #[test]
    fn the_claims_of_a_token_are_its_middle() {
        assert_eq!(of_token("e30.eyJzdWIiOiJ4In0.AA").unwrap()["sub"], "x");
        for bad in ["", "e30", "e30.!.AA", "e30.W10.AA"] {
            assert_eq!(of_token(bad), None, "{bad}");
        }
    }
}
