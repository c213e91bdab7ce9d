//! The states of several networks in one, side by side.

use super::numbers::{MOST, SideBySide};
use super::recursion::State;
use super::rows::row;

impl<S: pulp::Simd> State<SideBySide<S>> {
    /// Up to [`MOST`] states that are [alike](State::is_alike), side by side. Registers may hold more numbers than
    /// there are states; the last state fills them up.
    #[inline(always)]
    pub fn side_by_side(simd: S, states: &[State]) -> Option<Self> {
        let (last, others) = states.split_last()?;
        macro_rules! number {
            ($($of:tt)+) => {{
                let mut number = SideBySide::splat(simd, last.$($of)+);
                for (number, state) in number.each_mut().iter_mut().zip(others) {
                    *number = state.$($of)+;
                }
                number
            }};
        }
        macro_rules! doubles {
            ($of:ident) => {{
                let mut doubles = [last.$of[0]; MOST];
                for (double, state) in doubles.iter_mut().zip(others) {
                    *double = state.$of[0];
                }
                doubles
            }};
        }
        Some(State {
            side: last.side,
            first: last.first,
            signed: last.signed,
            channels: number!(channels),
            profile: row!(I => number!(profile[I])),
            root: row!(I => number!(root[I])),
            per_root: row!(I => number!(per_root[I])),
            mean_root: number!(mean_root),
            widest: row!(I => number!(widest[I])),
            octaves: row!(I => number!(octaves[I])),
            shared: number!(shared),
            fluctuation: number!(fluctuation),
            seen_widest: number!(seen_widest),
            per_spread: number!(per_spread),
            own: number!(own),
            correlation: number!(correlation),
            own_correlation: number!(own_correlation),
            mean_squared: number!(mean_squared),
            apart: number!(apart),
            log_sum: doubles!(log_sum),
            factor: doubles!(factor),
        })
    }
}
