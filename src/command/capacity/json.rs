//! The numbers of a group as JSON, for programs. Amounts are Kubernetes quantities; null is unlimited.

use serde_json::{Map, Value, json};

use crate::domain::accounting::{Change, Kind, Refused};
use crate::domain::room::{Launch, Numbers};
use crate::domain::size::Resource;
use crate::domain::table::Row;

/// All of it.
pub(super) fn of(group: &str, numbers: &Numbers, launch: &Launch) -> Value {
    // The rows of the hosts are in the order of their keys, and that of the quota is the last.
    let (hosts, quota) = launch.rows.split_at(numbers.hosts.len().min(launch.rows.len()));
    let hosts: Map<String, Value> = hosts.iter().map(|host| (host.name.clone(), row(host))).collect();
    json!({
        "cluster_group": group,
        "fits": launch.fits,
        "hosts": hosts,
        "quota": quota.first().map(row),
        "refused": launch.refused.iter().map(refused).collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Value {
    if let Some(why) = &row.missing {
        return json!({ "missing": why });
    }
    let amounts = |amount: &dyn Fn(Resource) -> Option<u64>| -> Value {
        let shown = |resource: Resource| Value::from(amount(resource).map(|amount| resource.show(amount)));
        let fields = Resource::ALL.into_iter().map(|resource| (resource.attribute().to_owned(), shown(resource)));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    let available = row.available();
    json!({
        "capacity": amounts(&|resource| row.limit.get(resource)),
        "used": amounts(&|resource| Some(row.used.get(resource))),
        "allocated": amounts(&|resource| Some(row.allocated.get(resource))),
        "available": amounts(&|resource| available.get(resource)),
    })
}

fn refused(refused: &Refused) -> Value {
    let missing = |change: &Change| {
        let show = |amount: u64| change.resource.show(amount);
        let amounts = json!({
            "requested": show(change.requested), "available": show(change.available), "missing": show(change.reduce_by),
        });
        (change.resource.attribute().to_owned(), amounts)
    };
    json!({
        "name": refused.request.label,
        "by": match refused.kind { Kind::Quota => "quota", Kind::Capacity => "capacity" },
        "host": refused.host,
        "missing": refused.changes.iter().map(missing).collect::<Map<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::Ledger;
    use crate::domain::limit::Limit;
    use crate::domain::quantity::{Bytes, Millicores};
    use crate::domain::room::{HostNumbers, QuotaNumbers};
    use crate::domain::size::Size;

    #[test]
    fn everything_that_the_table_has_is_there() {
        let capacity = Limit { cpu: Some(Millicores(10_500)), memory: Some(Bytes(16 << 30)), storage: None };
        let eu = HostNumbers { capacity, ledger: Ledger::default() };
        let numbers = Numbers {
            hosts: [("eu-1".to_owned(), Ok(eu)), ("us-1".to_owned(), Err("down".to_owned()))].into(),
            quota: QuotaNumbers {
                limit: Limit { cpu: Some(Millicores(4000)), ..Limit::UNLIMITED },
                ledger: Ok(Ledger::default()),
            },
            minimum: Size::MINIMUM,
        };
        let sizes = [("a".to_owned(), Size::DEFAULT), ("b".to_owned(), Size::DEFAULT)].into();
        let launch = numbers.launch("dev", &sizes);
        let shown = of("dev", &numbers, &launch);
        assert_eq!((&shown["cluster_group"], &shown["fits"]), (&json!("dev"), &json!(false)));
        assert_eq!(shown["hosts"]["eu-1"]["capacity"], json!({ "cpu": "10500m", "memory": "16Gi", "storage": null }));
        assert_eq!(shown["hosts"]["us-1"], json!({ "missing": "down" }));
        assert_eq!(shown["quota"]["allocated"], json!({ "cpu": "4", "memory": "4Gi", "storage": "2Gi" }));
        assert_eq!(shown["quota"]["available"], json!({ "cpu": "0", "memory": null, "storage": null }));
        assert_eq!(
            shown["refused"],
            json!([{ "name": "b", "by": "quota", "host": null,
                     "missing": { "cpu": { "requested": "4", "available": "0", "missing": "4" } } }])
        );
    }
}
