//! Whether a guest's memory is encrypted against its host, as its definition says.

use crate::Cause;

/// The type of `<launchSecurity>` in a domain's XML; `None` if it has none.
pub(crate) fn launch_security(domain_xml: &str) -> Result<Option<String>, Cause> {
    let document = roxmltree::Document::parse(domain_xml)?;
    let element = document.root_element().children().find(|node| node.has_tag_name("launchSecurity"));
    // libvirt always writes the type; without it the memory is encrypted all the same.
    Ok(element.map(|element| element.attribute("type").unwrap_or("unknown").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encrypted_guest_names_its_technology() {
        let xml = |inside: &str| format!("<domain type='kvm' id='1'><name>db-01</name>{inside}</domain>");
        let read = |inside: &str| launch_security(&xml(inside)).unwrap();
        assert_eq!(
            read("<launchSecurity type='sev'><policy>0x0003</policy></launchSecurity>").unwrap(),
            "sev"
        );
        assert_eq!(read("<launchSecurity type='tdx'/>").unwrap(), "tdx");
        assert_eq!(read("<launchSecurity/>").unwrap(), "unknown");
    }

    #[test]
    fn words_in_other_places_are_no_encryption() {
        for inside in [
            "",
            "<description>&lt;launchSecurity type='sev'/&gt;</description>",
            "<!-- <launchSecurity type='sev'/> -->",
            "<metadata><m:launchSecurity xmlns:m='urn:m' type='sev'/></metadata>",
        ] {
            let xml = format!("<domain type='kvm'>{inside}</domain>");
            assert_eq!(launch_security(&xml).unwrap(), None, "{inside}");
        }
    }

    #[test]
    fn what_is_no_xml_is_an_error() {
        assert!(launch_security("<domain").is_err());
    }
}
