use std::{collections::BTreeMap, sync::Arc};

use redlock_core::Resource;

use super::{
    anomaly::Anomaly,
    record::{Grant, Hold, Outcome, Records, Update, Write},
};

pub(super) fn check(records: &Records) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    for holds in by_resource(&records.holds, |hold| &hold.resource).values() {
        overlaps(holds, &mut anomalies);
        fences(holds, &mut anomalies);
    }
    for grants in by_resource(&records.grants, |grant| &grant.resource).values() {
        grown(grants, &mut anomalies);
    }
    for updates in by_resource(&records.updates, |update| &update.resource).values() {
        lost_updates(updates, &mut anomalies);
    }
    for writes in by_resource(&records.writes, |write| &write.resource).values() {
        guarded_writes(writes, &mut anomalies);
    }
    anomalies.extend(records.orphans.iter().map(|(node, resource)| Anomaly::Orphan {
        node: Arc::clone(node),
        resource: resource.clone(),
    }));
    anomalies
}

fn by_resource<T>(records: &[T], of: fn(&T) -> &Resource) -> BTreeMap<&Resource, Vec<&T>> {
    let mut sorted: BTreeMap<&Resource, Vec<&T>> = BTreeMap::new();
    for record in records {
        sorted.entry(of(record)).or_default().push(record);
    }
    sorted
}

/// Both ends of a hold belong to it, so holds that touch in a moment overlap in that moment.
fn overlaps(holds: &[&Hold], anomalies: &mut Vec<Anomaly>) {
    let mut holds = holds.to_vec();
    holds.sort_by_key(|hold| hold.from);
    let mut last: Option<&Hold> = None;
    for hold in holds {
        match last {
            Some(earlier) if hold.from <= earlier.to => anomalies.push(Anomaly::Overlap {
                resource: hold.resource.clone(),
                first: Arc::clone(&earlier.client),
                second: Arc::clone(&hold.client),
                at: hold.from,
            }),
            _ => {}
        }
        if last.is_none_or(|earlier| hold.to > earlier.to) {
            last = Some(hold);
        }
    }
}

/// In the order in which they ended, each hold must have a greater fence than all that had ended
/// before it began. Holds that overlap are an anomaly of their own, and have no order.
fn fences(holds: &[&Hold], anomalies: &mut Vec<Anomaly>) {
    let mut fenced: Vec<(&Hold, u64)> =
        holds.iter().filter_map(|hold| Some((*hold, hold.fence?))).collect();
    fenced.sort_by_key(|(hold, _)| hold.from);
    let mut ended: Vec<(&Hold, u64)> = fenced.clone();
    ended.sort_by_key(|(hold, _)| hold.to);
    let mut ended = ended.into_iter().peekable();
    let mut greatest: Option<u64> = None;
    for (hold, later) in fenced {
        while let Some((_, fence)) = ended.next_if(|(earlier, _)| earlier.to < hold.from) {
            greatest = greatest.max(Some(fence));
        }
        if let Some(earlier) = greatest.filter(|&earlier| later <= earlier) {
            let resource = hold.resource.clone();
            anomalies.push(Anomaly::FenceOrder { resource, earlier, later });
        }
    }
}

/// No two have the same fence, and who asked when another's lock had been given has a greater one:
/// also where both held at the same time, which is what fences are for.
fn grown(grants: &[&Grant], anomalies: &mut Vec<Anomaly>) {
    let mut holders: BTreeMap<u64, &Grant> = BTreeMap::new();
    for grant in grants {
        if let Some(other) = holders.insert(grant.fence, grant) {
            anomalies.push(Anomaly::FenceTwice {
                resource: grant.resource.clone(),
                fence: grant.fence,
                clients: [Arc::clone(&other.client), Arc::clone(&grant.client)],
            });
        }
    }
    let mut asked = grants.to_vec();
    asked.sort_by_key(|grant| grant.asked);
    let mut given = grants.to_vec();
    given.sort_by_key(|grant| grant.given);
    let mut given = given.into_iter().peekable();
    let mut greatest: Option<u64> = None;
    for grant in asked {
        while let Some(earlier) = given.next_if(|earlier| earlier.given < grant.asked) {
            greatest = greatest.max(Some(earlier.fence));
        }
        // The same number is told above.
        if let Some(earlier) = greatest.filter(|&earlier| grant.fence < earlier) {
            let (resource, later) = (grant.resource.clone(), grant.fence);
            anomalies.push(Anomaly::FenceOrder { resource, earlier, later });
        }
    }
}

/// Of those that certainly happened, no two may have read the same number.
fn lost_updates(updates: &[&Update], anomalies: &mut Vec<Anomaly>) {
    let mut readers: BTreeMap<u64, &Update> = BTreeMap::new();
    for update in updates.iter().filter(|update| update.outcome == Outcome::Done) {
        if let Some(other) = readers.insert(update.read, update) {
            anomalies.push(Anomaly::LostUpdate {
                resource: update.resource.clone(),
                read: update.read,
                clients: [Arc::clone(&other.client), Arc::clone(&update.client)],
            });
        }
    }
}

/// What certainly happened must have come with fences that never fall; who was turned away must
/// have come after somebody with a greater one, who may have been one of whom nobody knows.
fn guarded_writes(writes: &[&Write], anomalies: &mut Vec<Anomaly>) {
    let (mut certain, mut possible) = (None::<u64>, None::<u64>);
    for write in writes {
        let Write { client, resource, fence, outcome } = *write;
        let (client, resource, fence) = (Arc::clone(client), resource.clone(), *fence);
        match outcome {
            Outcome::Done => {
                if let Some(seen) = certain.filter(|&seen| seen > fence) {
                    anomalies.push(Anomaly::StaleWrite { client, resource, seen, fence });
                }
                certain = certain.max(Some(fence));
                possible = possible.max(Some(fence));
            }
            Outcome::Refused if possible.is_none_or(|possible| possible <= fence) => {
                anomalies.push(Anomaly::WronglyRefused { client, resource, fence });
            }
            Outcome::Refused => {}
            Outcome::Unknown => possible = possible.max(Some(fence)),
        }
    }
}
