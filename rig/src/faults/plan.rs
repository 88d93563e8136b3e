//! What the proxy is told to do, and what it has seen: rules, chance, counts.

use std::collections::{BTreeMap, HashMap};

use super::rule::{Asked, Chance, Fault, Meets, Rule};

/// Requests by method and path, without their queries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<String, usize>);

impl Counts {
    /// All requests.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// Requests of one method (`PUT`) whose path contains `part`.
    #[must_use]
    pub fn of(&self, method: &str, part: &str) -> usize {
        let counted = self.0.iter().filter(|(request, _)| {
            request.split_once(' ').is_some_and(|(its, path)| its == method && path.contains(part))
        });
        counted.map(|(_, count)| count).sum()
    }
}

/// A request that has met a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// The request.
    pub request: Asked,
    /// Its fault.
    pub fault: Fault,
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    rules: Vec<Rule>,
    pub chance: Option<Chance>,
    pub page: Option<usize>,
    pub counts: Counts,
    pub met: Vec<Met>,
    /// Every request, in the order in which they came.
    pub log: Vec<Asked>,
    /// Requests that the host itself has not answered, and why.
    pub unanswered: Vec<String>,
    /// How often each request was asked.
    asked: HashMap<String, usize>,
}

impl Plan {
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub fn heal(&mut self) {
        self.rules.clear();
        self.chance = None;
    }

    /// What the request meets. To be asked of every request, once, in the order in which they come.
    pub fn look(&mut self, request: &Asked) -> Option<Meets> {
        self.log.push(request.clone());
        let path = request.path.split('?').next().unwrap_or_default();
        *self.counts.0.entry(format!("{} {path}", request.method)).or_default() += 1;
        let asked = self.asked.entry(request.to_string()).or_default();
        let before = std::mem::replace(asked, *asked + 1);
        // Every rule looks, as each counts for itself.
        let hits: Vec<Meets> = self.rules.iter_mut().filter_map(|rule| rule.look(request)).collect();
        let by_chance = || self.chance.as_ref()?.look(request, before).map(Meets::Fault);
        let meets = hits.into_iter().next().or_else(by_chance);
        if let Some(Meets::Fault(fault)) = &meets {
            self.met.push(Met { request: request.clone(), fault: fault.clone() });
        }
        meets
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;
    use crate::faults::{Requests, Which};

    #[test]
    fn of_two_rules_the_first_decides_and_both_count() {
        let mut plan = Plan::default();
        plan.add(Rule::new(Which::Nth(1), Requests::any(), Fault::Reset));
        plan.add(Rule::new(Which::Nth(2), Requests::any(), Fault::InternalError));
        let asked = |path: &str| Asked { method: Method::GET, path: path.to_owned() };
        for path in ["/a?limit=1", "/a", "/b"] {
            plan.look(&asked(path));
        }
        let met: Vec<_> = plan.met.iter().map(|met| (met.request.path.as_str(), met.fault.clone())).collect();
        assert_eq!(met, [("/a?limit=1", Fault::Reset), ("/a", Fault::InternalError)]);
        assert_eq!((plan.counts.total(), plan.counts.of("GET", "/a"), plan.counts.of("PUT", "/a")), (3, 2, 0));
        plan.heal();
        assert!(plan.look(&asked("/c")).is_none());
    }
}
