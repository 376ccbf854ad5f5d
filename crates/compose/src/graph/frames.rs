//! Frames around the components that share one fate, drawn where an app has more than one cell.

use std::collections::BTreeSet;

use super::layout::Place;
use crate::plan::Plan;
use crate::problem;

/// Boxes that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What stands at it: `cell markdown`.
    pub(crate) label: String,
    /// The boxes, in order.
    pub(crate) members: BTreeSet<usize>,
}

/// A frame for each cell; none where no component calls another cell, since all share one fate then, or are in
/// instances of their own for each way into the app.
pub(super) fn frames(plan: &Plan) -> Vec<Frame> {
    if plan.cells().is_empty() {
        return Vec::new();
    }
    let called = plan.cells().iter().map(|cell| (cell.root, &cell.entry));
    let entered = plan.entries().iter().map(|entry| (entry.component, entry));
    let mut frames: Vec<(BTreeSet<usize>, BTreeSet<usize>)> = Vec::new();
    for (root, entry) in entered.chain(called) {
        let (mut roots, mut members) = (BTreeSet::from([root]), entry.members.iter().copied().collect());
        // A component that two ways lead through joins what is around them.
        frames.retain(|(others_roots, others): &(BTreeSet<usize>, BTreeSet<usize>)| {
            let is_apart = others.is_disjoint(&members);
            if !is_apart {
                roots.extend(others_roots);
                members.extend(others);
            }
            is_apart
        });
        frames.push((roots, members));
    }
    frames.sort_by_key(|(_, members)| members.first().copied());
    let frame = |(roots, members): (BTreeSet<usize>, BTreeSet<usize>)| {
        let components = roots.iter().filter_map(|root| plan.components().get(*root));
        Frame {
            label: format!(
                "cell {}",
                problem::enumerate(components.map(|of| &of.name)).replace('`', "")
            ),
            members,
        }
    };
    frames.into_iter().map(frame).collect()
}

/// Where frames stand in a picture: one place around all boxes of each, or one around those of each layer where
/// other boxes stand between.
pub(super) fn places(frames: &[Frame], boxes: &[Place]) -> Vec<Vec<Place>> {
    let of_frame = |frame: &Frame| {
        let members = |index: &usize| boxes.get(*index).copied();
        let own: Vec<Place> = frame.members.iter().filter_map(members).collect();
        let Some(whole) = around(&own) else {
            return Vec::new();
        };
        let others = boxes.iter().enumerate();
        let mut others = others.filter(|(index, _)| !frame.members.contains(index));
        if !others.any(|(_, place)| overlap(whole, *place)) {
            return vec![whole];
        }
        let layers: BTreeSet<i64> = own.iter().map(|place| place.y).collect();
        let of_layer =
            |y: &i64| -> Vec<Place> { own.iter().filter(|place| place.y == *y).copied().collect() };
        layers.iter().filter_map(|y| around(&of_layer(y))).collect()
    };
    frames.iter().map(of_frame).collect()
}

/// How far a frame is from its boxes.
const AWAY: i64 = 9;
/// The same below, where its label stands.
const BELOW: i64 = 22;

fn around(places: &[Place]) -> Option<Place> {
    let x = places.iter().map(|place| place.x).min()? - AWAY;
    let y = places.iter().map(|place| place.y).min()? - AWAY;
    let right = places.iter().map(|place| place.x + place.width).max()? + AWAY;
    let lower = places.iter().map(|place| place.y + place.height).max()? + BELOW;
    Some(Place {
        x,
        y,
        width: right - x,
        height: lower - y,
    })
}

fn overlap(one: Place, other: Place) -> bool {
    one.x < other.x + other.width
        && other.x < one.x + one.width
        && one.y < other.y + other.height
        && other.y < one.y + one.height
}
