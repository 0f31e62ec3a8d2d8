//! What the calls of telemetry tell, against `virsh domstats`, of a guest that uses its disk and its network all the time.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::Value;

use crate::lab::{ExtraGuest, lab, virsh};
use crate::support::{Home, PATIENCE, Service};

/// Fields of `vm_totals`, and what `virsh domstats` calls them; a group is summed over its devices.
const FIELDS: [(&str, &str, &str); 13] = [
    ("cputime", "", "cpu.time"),
    ("timeusr", "", "cpu.user"),
    ("timesys", "", "cpu.system"),
    ("net_rxbytes", "net", "rx.bytes"),
    ("net_rxpackets", "net", "rx.pkts"),
    ("net_rxdrops", "net", "rx.drop"),
    ("net_txbytes", "net", "tx.bytes"),
    ("net_txpackets", "net", "tx.pkts"),
    ("net_txdrops", "net", "tx.drop"),
    ("disk_rd_req", "block", "rd.reqs"),
    ("disk_rd_bytes", "block", "rd.bytes"),
    ("disk_wr_reqs", "block", "wr.reqs"),
    ("disk_wr_bytes", "block", "wr.bytes"),
];

/// The same in `vm-telemetry`.
const IN_SHORT: [(&str, &str); 5] = [
    ("cputime", "cputime"),
    ("disk_read_bytes", "disk_rd_bytes"),
    ("disk_write_bytes", "disk_wr_bytes"),
    ("network_rx_bytes", "net_rxbytes"),
    ("network_tx_bytes", "net_txbytes"),
];

fn domstats(guest: &str) -> HashMap<&'static str, u64> {
    let said = virsh(&["domstats", "--raw", guest]).unwrap();
    let values: HashMap<&str, u64> = said
        .lines()
        .filter_map(|line| line.trim().split_once('='))
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect();
    let of = |group: &str, what: &str| match group {
        "" => values.get(what).copied(),
        _ => (0..8)
            .filter_map(|place| values.get(format!("{group}.{place}.{what}").as_str()))
            .copied()
            .reduce(|a, b| a + b),
    };
    FIELDS.iter().filter_map(|(field, group, what)| Some((*field, of(group, what)?))).collect()
}

/// Waits for a collection that began after this was called.
fn wait_for_collection(service: &Service) {
    let collections = |status: &Value| status["total_collections"].as_u64();
    let before = collections(&service.get("/api/telemetry/status")).unwrap();
    service.wait("/api/telemetry/status", "collection", |status| {
        collections(status).filter(|now| *now >= before + 2)
    });
}

#[test]
fn counters_of_disk_and_network_are_those_of_virsh_at_the_same_second_and_move() {
    let _turn = lab();
    let busy = ExtraGuest::start("busy-01", "128:0:busy");
    let name = busy.0.name;
    let home = Home::new();
    let service = Service::start(&home, "serve", &[]);
    service.wait("/api/telemetry/vms", "guest", |vms| {
        vms["vms"].as_array()?.iter().any(|vm| vm["name"] == name).then_some(())
    });

    let first = domstats(name);
    let begun = Instant::now();
    loop {
        let before = domstats(name);
        wait_for_collection(&service);
        let ours = service.get(&format!("/api/telemetry/vm-stats/{name}"));
        let in_short = service.get("/api/telemetry/vm-telemetry");
        let after = domstats(name);

        let in_short = in_short["vms"].as_array().unwrap().iter().find(|vm| vm["name"] == name).unwrap();
        let told = FIELDS.iter().map(|(field, ..)| (*field, &ours["metrics"][*field]));
        let told = told.chain(IN_SHORT.map(|(name, field)| (field, &in_short[name])));
        for (field, value) in told {
            let range = before[field]..=after[field];
            assert!(
                value.as_u64().is_some_and(|value| range.contains(&value)),
                "{field}: {value} not in {range:?}"
            );
        }

        // The host answers what the guest asks everybody, where it has IPv6.
        let has_ipv6 = std::fs::read("/proc/net/if_inet6").is_ok_and(|interfaces| !interfaces.is_empty());
        let moves = |field: &str| after[field] > first[field];
        let of_all = [
            "cputime",
            "net_txbytes",
            "net_txpackets",
            "disk_rd_bytes",
            "disk_rd_req",
            "disk_wr_bytes",
            "disk_wr_reqs",
        ];
        let of_receivers = ["net_rxbytes", "net_rxpackets"];
        let stands: Vec<&str> = of_all
            .into_iter()
            .chain(of_receivers.into_iter().filter(|_| has_ipv6))
            .filter(|field| !moves(field))
            .collect();
        if stands.is_empty() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{stands:?} stand still");
    }
}
