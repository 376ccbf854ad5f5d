//! The interface `weft:values/shapes`.

use std::cell::Cell;

use crate::exports::weft::values::shapes::{Counter, CounterBorrow, Guest, GuestCounter, Point, Shape};

impl Guest for crate::Component {
    type Counter = Count;

    fn area(shape: Shape) -> f64 {
        match shape {
            Shape::Circle(radius) => std::f64::consts::PI * radius * radius,
            Shape::Rectangle((width, height)) => width * height,
            Shape::Polygon(corners) => polygon_area(&corners),
            Shape::Nothing => 0.0,
        }
    }

    fn bounds(shape: Shape) -> Option<(Point, Point)> {
        match shape {
            Shape::Circle(radius) => Some((
                Point {
                    x: -radius,
                    y: -radius,
                },
                Point { x: radius, y: radius },
            )),
            Shape::Rectangle((width, height)) => {
                Some((Point { x: 0.0, y: 0.0 }, Point { x: width, y: height }))
            }
            Shape::Polygon(corners) => corners.into_iter().map(|corner| (corner, corner)).reduce(around),
            Shape::Nothing => None,
        }
    }

    fn make_counter(start: u32) -> Counter {
        Counter::new(Count::new(start))
    }
}

/// The shoelace formula: half the sum of the cross products of neighbouring corners.
fn polygon_area(corners: &[Point]) -> f64 {
    let next = corners.iter().cycle().skip(1);
    let sum: f64 = corners.iter().zip(next).map(|(a, b)| a.x * b.y - b.x * a.y).sum();
    sum.abs() / 2.0
}

/// The smallest bounds round both.
fn around(a: (Point, Point), b: (Point, Point)) -> (Point, Point) {
    let lower = Point {
        x: a.0.x.min(b.0.x),
        y: a.0.y.min(b.0.y),
    };
    let upper = Point {
        x: a.1.x.max(b.1.x),
        y: a.1.y.max(b.1.y),
    };
    (lower, upper)
}

/// The resource `counter`.
pub(crate) struct Count(Cell<u32>);

impl GuestCounter for Count {
    fn new(start: u32) -> Self {
        Self(Cell::new(start))
    }

    fn add(&self, amount: u32) -> u32 {
        self.0.set(self.0.get().wrapping_add(amount));
        self.0.get()
    }

    fn value(&self) -> u32 {
        self.0.get()
    }

    fn largest(counters: Vec<CounterBorrow<'_>>) -> Option<u32> {
        counters.iter().map(|counter| counter.get::<Self>().0.get()).max()
    }
}
