//! Where the boxes of a picture stand.
//!
//! Boxes are put into layers so that every arrow leads downwards; an arrow over several layers passes each
//! through a place of its own, so that it does not run through boxes. Within a layer boxes are ordered by where
//! their neighbours stand. All in whole numbers: the same graph gives the same picture on every machine.

use std::collections::{BTreeMap, BTreeSet};

/// A box or a place that an arrow passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Its left edge.
    pub(super) x: i64,
    /// Its upper edge.
    pub(super) y: i64,
    /// How wide it is.
    pub(super) width: i64,
    /// How high it is.
    pub(super) height: i64,
}

/// A picture before it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// One for each box, in their order.
    pub(super) boxes: Vec<Place>,
    /// For each arrow the places it leads along, from box to box.
    pub(super) arrows: Vec<Vec<Place>>,
    /// How wide the picture is.
    pub(super) width: i64,
    /// How high it is.
    pub(super) height: i64,
}

/// How boxes are set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spacing {
    /// Around everything.
    pub(super) margin: i64,
    /// Between boxes of a layer.
    pub(super) beside: i64,
    /// Between layers.
    pub(super) below: i64,
}

/// How often the order within layers is improved, downwards and upwards.
const SWEEPS: usize = 6;

/// How wide the way of a passing arrow is.
const PASS: i64 = 24;

struct Chart {
    /// Width and height of boxes, then of passing places.
    sizes: Vec<(i64, i64)>,
    layer_of: Vec<usize>,
    /// Every arrow as boxes and passing places.
    chains: Vec<Vec<usize>>,
    layers: Vec<Vec<usize>>,
}

/// Places boxes of these sizes. `arrows` lead from box to box without a circle; `last` are boxes that no
/// arrow leaves; they stand in a layer below all others. Boxes of one of the `groups` stand side by side in each
/// layer, near each other, and above all boxes of the groups that an arrow leads to from one of them.
pub(super) fn place(
    sizes: &[(i64, i64)],
    arrows: &[(usize, usize)],
    last: &[usize],
    groups: &[Option<usize>],
    spacing: Spacing,
) -> Layout {
    let mut above = arrows.to_vec();
    above.extend(between_groups(arrows, groups));
    let layer_of = layers(sizes.len(), &above, last);
    let mut chart = Chart {
        sizes: sizes.to_vec(),
        layer_of,
        chains: Vec::new(),
        layers: Vec::new(),
    };
    chart.chain(arrows);
    chart.fill_layers();
    for sweep in 0..SWEEPS {
        chart.sweep(sweep % 2 == 0);
    }
    chart.gather(groups);
    chart.layout(sizes.len(), groups, spacing)
}

/// From every box of a group to every one of another that an arrow leads to.
fn between_groups(arrows: &[(usize, usize)], groups: &[Option<usize>]) -> BTreeSet<(usize, usize)> {
    let group_of = |index: usize| groups.get(index).copied().flatten();
    let members = |group: usize| {
        let boxes = groups.iter().enumerate();
        boxes
            .filter(move |(_, of)| **of == Some(group))
            .map(|(index, _)| index)
    };
    let mut pairs = BTreeSet::new();
    for (from, to) in arrows {
        let (Some(from), Some(to)) = (group_of(*from), group_of(*to)) else {
            continue;
        };
        if from != to {
            pairs.extend(members(from).flat_map(|upper| members(to).map(move |lower| (upper, lower))));
        }
    }
    pairs
}

/// The longest way from the top, for each box.
fn layers(count: usize, arrows: &[(usize, usize)], last: &[usize]) -> Vec<usize> {
    let mut layer_of = vec![0_usize; count];
    // Without circles the longest way has fewer steps than there are boxes.
    for _ in 0..count {
        let mut is_settled = true;
        for (from, to) in arrows {
            let wanted = layer_of.get(*from).map_or(0, |layer| layer + 1);
            if let Some(layer) = layer_of.get_mut(*to)
                && *layer < wanted
            {
                *layer = wanted;
                is_settled = false;
            }
        }
        if is_settled {
            break;
        }
    }
    let others = layer_of
        .iter()
        .enumerate()
        .filter(|(index, _)| !last.contains(index));
    let lowest = others.map(|(_, layer)| layer + 1).max().unwrap_or(0);
    for index in last {
        if let Some(layer) = layer_of.get_mut(*index) {
            *layer = lowest;
        }
    }
    layer_of
}

impl Chart {
    fn chain(&mut self, arrows: &[(usize, usize)]) {
        for (from, to) in arrows {
            let mut chain = vec![*from];
            let above = self.layer_of.get(*from).copied().unwrap_or(0);
            let below = self.layer_of.get(*to).copied().unwrap_or(0);
            for layer in above + 1..below {
                chain.push(self.sizes.len());
                self.sizes.push((PASS, 0));
                self.layer_of.push(layer);
            }
            chain.push(*to);
            self.chains.push(chain);
        }
    }

    fn fill_layers(&mut self) {
        let count = self.layer_of.iter().max().map_or(0, |layer| layer + 1);
        self.layers = vec![Vec::new(); count];
        for (index, layer) in self.layer_of.iter().enumerate() {
            if let Some(layer) = self.layers.get_mut(*layer) {
                layer.push(index);
            }
        }
    }

    /// Orders each layer by the middle of its neighbours in the layer before (or, upwards, after) it.
    fn sweep(&mut self, is_downwards: bool) {
        let count = self.layers.len();
        for step in 1..count {
            let (at, beside) = if is_downwards {
                (step, step - 1)
            } else {
                (count - 1 - step, count - step)
            };
            let neighbours = self.layers.get(beside).cloned().unwrap_or_default();
            let Some(mut layer) = self.layers.get(at).cloned() else {
                continue;
            };
            let own = layer.clone();
            layer.sort_by_key(|index| {
                let stay = position(&own, *index) * 1000;
                (self.middle(*index, &neighbours).unwrap_or(stay), stay)
            });
            if let Some(old) = self.layers.get_mut(at) {
                *old = layer;
            }
        }
    }

    /// The mean position of those neighbours that arrows join with a box, in thousandths.
    fn middle(&self, index: usize, neighbours: &[usize]) -> Option<i64> {
        let (mut sum, mut count) = (0, 0);
        for chain in &self.chains {
            for pair in chain.windows(2) {
                let other = match pair {
                    [from, to] if *to == index => *from,
                    [from, to] if *from == index => *to,
                    _ => continue,
                };
                if neighbours.contains(&other) {
                    sum += position(neighbours, other) * 1000;
                    count += 1;
                }
            }
        }
        (count > 0).then(|| sum / count)
    }

    /// Brings the boxes of each group together within each layer, all groups in one order.
    fn gather(&mut self, groups: &[Option<usize>]) {
        let group_of = |index: &usize| groups.get(*index).copied().flatten();
        let mut means: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
        for layer in &self.layers {
            for index in layer {
                if let Some(group) = group_of(index) {
                    let (sum, count) = means.entry(group).or_default();
                    *sum += share(layer, *index);
                    *count += 1;
                }
            }
        }
        for layer in &mut self.layers {
            let own = layer.clone();
            layer.sort_by_key(|index| match group_of(index) {
                Some(group) => {
                    let (sum, count) = means.get(&group).copied().unwrap_or((0, 1));
                    (sum / count.max(1), Some(group))
                }
                None => (share(&own, *index), None),
            });
        }
    }

    /// Moves boxes of a group below those of it that stand higher, and whatever stands right of them out of the way.
    fn align(&self, places: &mut [Place], groups: &[Option<usize>], spacing: Spacing) {
        let mut middles: BTreeMap<usize, i64> = BTreeMap::new();
        for layer in &self.layers {
            let mut free = spacing.margin;
            for index in layer {
                let Some(place) = places.get_mut(*index) else {
                    continue;
                };
                let group = groups.get(*index).copied().flatten();
                let middle = group.and_then(|group| middles.get(&group));
                let wanted = middle.map_or(place.x, |middle| middle - place.width / 2);
                place.x = wanted.max(free);
                free = place.x + place.width + spacing.beside;
                if let Some(group) = group {
                    middles.entry(group).or_insert(place.x + place.width / 2);
                }
            }
        }
    }

    fn layout(&self, boxes: usize, groups: &[Option<usize>], spacing: Spacing) -> Layout {
        let size = |index: &usize| self.sizes.get(*index).copied().unwrap_or((0, 0));
        let width_of = |layer: &Vec<usize>| {
            let gaps = i64::try_from(layer.len().saturating_sub(1)).unwrap_or(0) * spacing.beside;
            layer.iter().map(|index| size(index).0).sum::<i64>() + gaps
        };
        let widest = self.layers.iter().map(width_of).max().unwrap_or(0);
        let mut places = vec![
            Place {
                x: 0,
                y: 0,
                width: 0,
                height: 0
            };
            self.sizes.len()
        ];
        let mut y = spacing.margin;
        for layer in &self.layers {
            let tallest = layer.iter().map(|index| size(index).1).max().unwrap_or(0);
            let mut x = spacing.margin + (widest - width_of(layer)) / 2;
            for index in layer {
                let (width, height) = size(index);
                if let Some(place) = places.get_mut(*index) {
                    // A passing place is as high as its layer, so that the arrow stays straight beside boxes.
                    let height = if *index < boxes { height } else { tallest };
                    *place = Place { x, y, width, height };
                }
                x += width + spacing.beside;
            }
            y += tallest + spacing.below;
        }
        if groups.iter().any(Option::is_some) {
            self.align(&mut places, groups, spacing);
        }
        let right = places.iter().map(|place| place.x + place.width).max();
        let along = |chain: &Vec<usize>| {
            chain
                .iter()
                .filter_map(|index| places.get(*index).copied())
                .collect()
        };
        let arrows = self.chains.iter().map(along).collect();
        places.truncate(boxes);
        Layout {
            boxes: places,
            arrows,
            width: right.unwrap_or(0).max(widest + spacing.margin) + spacing.margin,
            height: y - spacing.below + spacing.margin,
        }
    }
}

/// How far to the right a box stands in its layer, in thousandths.
fn share(layer: &[usize], index: usize) -> i64 {
    let count = i64::try_from(layer.len()).unwrap_or(i64::MAX / 1000);
    (position(layer, index) * 2000 + 1000) / (count * 2).max(1)
}

fn position(list: &[usize], index: usize) -> i64 {
    let position = list.iter().position(|other| *other == index).unwrap_or(0);
    i64::try_from(position).unwrap_or(i64::MAX / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING: Spacing = Spacing {
        margin: 10,
        beside: 20,
        below: 50,
    };

    #[test]
    fn arrows_lead_downwards_and_pass_beside_boxes() {
        let sizes = [(100, 40); 4];
        let arrows = [(0, 1), (1, 2), (0, 2), (2, 3), (0, 3)];
        let layout = place(&sizes, &arrows, &[3], &[], SPACING);
        for (arrow, places) in arrows.iter().zip(&layout.arrows) {
            assert_eq!(places.first(), layout.boxes.get(arrow.0));
            assert_eq!(places.last(), layout.boxes.get(arrow.1));
            assert!(places.is_sorted_by_key(|place| place.y), "{arrow:?}");
        }
        let all: Vec<Place> = layout.arrows.concat();
        for one in &all {
            for other in &all {
                let apart =
                    one.y != other.y || one.x + one.width <= other.x || other.x + other.width <= one.x;
                assert!(one == other || apart, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn boxes_of_a_group_stand_side_by_side() {
        let sizes = [(100, 40); 6];
        let arrows = [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)];
        let groups = [None, Some(0), Some(1), Some(0), Some(1), Some(0)];
        let layout = place(&sizes, &arrows, &[], &groups, SPACING);
        let mut order: Vec<usize> = (1..6).collect();
        order.sort_by_key(|index| layout.boxes[*index].x);
        let mut seen: Vec<Option<usize>> = order.iter().map(|index| groups[*index]).collect();
        seen.dedup();
        assert_eq!(seen.len(), 2, "{order:?}");
    }

    #[test]
    fn nothing_to_place_makes_a_picture_of_margins() {
        let layout = place(&[], &[], &[], &[], SPACING);
        assert!(layout.boxes.is_empty());
        assert_eq!(layout.width, 20);
    }
}
