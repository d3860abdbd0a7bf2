//! That taking worlds for one that hash alike loses nothing.

use std::{
    collections::{BTreeSet, HashMap, HashSet, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::report::Walked;

/// Walks all states of a world one by one, and panics unless states of one class, that is of one
/// hash, agree on all that must hold and lead to the same classes. Then it makes no difference
/// which of a class is walked on from. Returns how many states and how many classes there are.
pub(crate) fn check<W: Walked>(world: &W) -> (usize, usize) {
    let mut properties = world.properties();
    properties.retain(|property| W::MUST.contains(&property.name));
    let mut classes: HashMap<u64, (Vec<bool>, BTreeSet<u64>)> = HashMap::new();
    let mut seen = HashSet::new();
    let mut pending = world.init_states();
    while let Some(state) = pending.pop() {
        // Whatever a state is made of is in its `Debug`.
        if !seen.insert(format!("{state:?}")) {
            continue;
        }
        let next = world.next_states(&state);
        let holds = properties.iter().map(|p| (p.condition)(world, &state));
        let facts = (holds.collect(), next.iter().map(class).collect());
        match classes.entry(class(&state)) {
            Entry::Vacant(entry) => {
                entry.insert(facts);
            }
            Entry::Occupied(entry) => assert_eq!(entry.get(), &facts, "{state:#?}"),
        }
        pending.extend(next);
    }
    (seen.len(), classes.len())
}

fn class(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
