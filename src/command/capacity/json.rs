//! The numbers of a group as JSON, for programs. Amounts are Kubernetes quantities; null is unlimited.

use serde_json::{Map, Value, json};

use crate::domain::accounting::{Change, Kind, Refused, owner_of};
use crate::domain::amounts::Countable;
use crate::domain::room::{Launch, Numbers};
use crate::domain::table::Row;

/// All of it.
pub(super) fn of(group: &str, numbers: &Numbers, launch: &Launch) -> Value {
    // The rows of the hosts are in the order of their keys, then comes that of the quota if there is one, then those of owners.
    let (hosts, others) = launch.rows.split_at(numbers.hosts.len().min(launch.rows.len()));
    let hosts: Map<String, Value> = hosts.iter().map(|host| (host.name.clone(), row(host))).collect();
    let (quota, shares) = others.split_at(others.len().min(1));
    let shares: Map<String, Value> = shares.iter().map(|share| (owner_of(share).to_owned(), row(share))).collect();
    json!({
        "cluster_group": group,
        "fits": launch.fits,
        "hosts": hosts,
        "quota": quota.first().map(row),
        "shares": shares,
        "refused": launch.refused.iter().map(refused).collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Value {
    if let Some(why) = &row.missing {
        return json!({ "missing": why });
    }
    let amounts = |amount: &dyn Fn(&Countable) -> Option<u64>| -> Value {
        let shown = |of: &Countable| Value::from(amount(of).map(|amount| of.show(amount)));
        let fields = row.countables().into_iter().map(|of| (of.name().to_owned(), shown(&of)));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    let available = row.available();
    json!({
        "capacity": amounts(&|of| row.limit.get(of)),
        "used": amounts(&|of| Some(row.used.get(of))),
        "allocated": amounts(&|of| Some(row.allocated.get(of))),
        "available": amounts(&|of| available.get(of)),
    })
}

fn refused(refused: &Refused) -> Value {
    let missing = |change: &Change| {
        let show = |amount: u64| change.of.show(amount);
        let amounts = json!({
            "requested": show(change.requested), "available": show(change.available), "missing": show(change.reduce_by),
        });
        (change.of.name().to_owned(), amounts)
    };
    json!({
        "name": refused.request.label,
        "by": match refused.kind { Kind::Quota => "quota", Kind::Share => "share", Kind::Capacity => "capacity" },
        "owner": refused.request.owner,
        "host": refused.host,
        "missing": refused.changes.iter().map(missing).collect::<Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::amounts::Extended;
    use crate::domain::amounts::tests::gpus;
    use crate::domain::ledger::Ledger;
    use crate::domain::limit::Limit;
    use crate::domain::quantity::{Bytes, Millicores};
    use crate::domain::room::{HostNumbers, Launching, QuotaNumbers};
    use crate::domain::shares::{Bounds, Shares};
    use crate::domain::size::Size;
    use crate::domain::transition::Load;

    #[test]
    fn everything_that_the_table_has_is_there() {
        let capacity = Limit {
            cpu: Some(Millicores(10_500)),
            memory: Some(Bytes(16 << 30)),
            extended: gpus(4),
            unnamed: Some(0),
            ..Limit::UNLIMITED
        };
        let eu = HostNumbers { capacity, ledger: Ledger::default() };
        let numbers = Numbers {
            hosts: [("eu-1".to_owned(), Ok(eu)), ("us-1".to_owned(), Err("down".to_owned()))].into(),
            quota: QuotaNumbers {
                bounds: Bounds {
                    total: Limit { cpu: Some(Millicores(4000)), virtual_clusters: Some(9), ..Limit::UNLIMITED },
                    shares: Some(Shares::new("team", Limit { virtual_clusters: Some(1), ..Limit::UNLIMITED }, [])),
                },
                ledger: Ok(Ledger::default()),
            },
            minimum: Size::MINIMUM.into(),
        };
        let launching = |extended: Extended| Launching {
            load: Load { size: Size::DEFAULT, extended, paused: false },
            labels: [("team".to_owned(), "web".to_owned())].into(),
        };
        let all = [("a".to_owned(), launching(gpus(3))), ("b".to_owned(), launching(Extended::new()))];
        let launch = numbers.launch("dev", &all.into());
        let shown = of("dev", &numbers, &launch);
        assert_eq!((&shown["cluster_group"], &shown["fits"]), (&json!("dev"), &json!(false)));
        assert_eq!(
            shown["hosts"]["eu-1"]["capacity"],
            json!({ "cpu": "10500m", "memory": "16Gi", "storage": null, "nvidia.com/gpu": "4" })
        );
        assert_eq!(
            shown["hosts"]["eu-1"]["available"]["nvidia.com/gpu"],
            json!("4"),
            "the other host may have any number"
        );
        assert_eq!(shown["hosts"]["us-1"], json!({ "missing": "down" }));
        assert_eq!(
            shown["quota"]["allocated"],
            json!({ "cpu": "4", "memory": "4Gi", "storage": "2Gi", "virtual_clusters": "1", "nvidia.com/gpu": "3" })
        );
        assert_eq!(
            shown["quota"]["available"],
            json!({ "cpu": "0", "memory": null, "storage": null, "virtual_clusters": "8", "nvidia.com/gpu": null })
        );
        assert_eq!(shown["shares"]["web"]["available"]["virtual_clusters"], json!("0"));
        assert_eq!(
            shown["refused"],
            json!([{ "name": "b", "by": "quota", "owner": "web", "host": null,
                     "missing": { "cpu": { "requested": "4", "available": "0", "missing": "4" } } }])
        );
    }
}
