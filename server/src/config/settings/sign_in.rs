//! Signing in elsewhere: at a reverse proxy, or at a provider of `OpenID` Connect.

use super::{Setting, secret, setting};

pub const PROXY_USER_HEADER: Setting = setting(
    "http.proxy_user_header",
    &["PROXY_USER_HEADER"],
    "unset: everybody signs in here",
    "Header in which a proxy named by MEMDECK_BEHIND_PROXY says who signed in there; the account of that name counts",
);
pub const PROXY_GROUPS_HEADER: Setting = setting(
    "http.proxy_groups_header",
    &["PROXY_GROUPS_HEADER"],
    "unset: accounts decide what their owners may do",
    "Header in which that proxy lists the groups of whoever signed in, separated by commas; needs PROXY_ROLES",
);
pub const PROXY_ROLES: Setting = setting(
    "http.proxy_roles",
    &["PROXY_ROLES"],
    "unset",
    "Role of each group of that proxy, such as soc=analyst, ops=operator; who is in none of them is kept out",
);
pub const OIDC_ISSUER: Setting = setting(
    "oidc.issuer",
    &["OIDC_ISSUER"],
    "unset: nobody signs in by OpenID Connect",
    "Issuer of the OpenID Connect provider where people sign in, exactly as it names itself; needs OIDC_CLIENT_ID and OIDC_CLIENT_SECRET",
);
pub const OIDC_CLIENT_ID: Setting =
    setting("oidc.client_id", &["OIDC_CLIENT_ID"], "unset", "How the provider knows this memdeck");
pub const OIDC_CLIENT_SECRET: Setting =
    secret("oidc.client_secret", &["OIDC_CLIENT_SECRET"], "Secret that the provider gave for OIDC_CLIENT_ID");
pub const OIDC_NAME: Setting = setting(
    "oidc.name",
    &["OIDC_NAME"],
    "the host of OIDC_ISSUER",
    "What the sign-in page calls the provider, 1 to 60 characters",
);
pub const OIDC_SCOPES: Setting = setting(
    "oidc.scopes",
    &["OIDC_SCOPES"],
    "openid profile",
    "What is asked of the provider, separated by spaces; many want one more to tell groups",
);
pub const OIDC_USER_CLAIM: Setting = setting(
    "oidc.user_claim",
    &["OIDC_USER_CLAIM"],
    "preferred_username",
    "Claim with the name of whoever signed in; choose one that people cannot change at the provider by themselves",
);
pub const OIDC_GROUPS_CLAIM: Setting = setting(
    "oidc.groups_claim",
    &["OIDC_GROUPS_CLAIM"],
    "groups",
    "Claim with the groups of whoever signed in; points lead into objects, such as realm_access.roles",
);
pub const OIDC_ROLES: Setting = setting(
    "oidc.roles",
    &["OIDC_ROLES"],
    "unset: the account of that name decides",
    "Role of each group of the provider, such as soc=analyst, ops=operator; who is in none of them is kept out",
);
pub const OIDC_CA: Setting = setting(
    "oidc.ca",
    &["OIDC_CA"],
    "unset: whom this machine trusts",
    "File with the certificates that sign the one of the provider (PEM)",
);
