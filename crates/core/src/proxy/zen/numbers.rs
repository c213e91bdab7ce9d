//! What the recursion computes with: a number, or one number for each of several networks side by side.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// Most networks whose numbers can lie side by side.
pub const MOST: usize = 16;

/// One number, or one number for each network. Every operation rounds in the same way for both, so that a network's
/// score does not depend on its neighbours.
pub trait Numbers:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + Add<f32, Output = Self>
    + Sub<f32, Output = Self>
    + Mul<f32, Output = Self>
{
    /// As many numbers in double precision.
    type Doubles: Copy + AsRef<[f64]> + AsMut<[f64]>;

    /// Whether there can be several networks: then a row fills as many registers as it has numbers, and not one.
    const SIDE_BY_SIDE: bool;

    /// `x` for each network.
    fn all(self, x: f32) -> Self;
    /// self · a + b, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    fn sqrt(self) -> Self;
    fn at_most(self, bound: f32) -> Self;
    fn at_least(self, bound: f32) -> Self;
    /// `then` where this is greater than 0, `otherwise` elsewhere.
    fn if_positive(self, then: Self, otherwise: Self) -> Self;
    fn each(&self) -> &[f32];

    #[inline(always)]
    fn recip(self) -> Self {
        self.all(1.0) / self
    }
}

impl Numbers for f32 {
    type Doubles = [f64; 1];

    const SIDE_BY_SIDE: bool = false;

    #[inline(always)]
    fn all(self, x: f32) -> f32 {
        x
    }
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32) -> f32 {
        f32::mul_add(self, a, b)
    }
    #[inline(always)]
    fn sqrt(self) -> f32 {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn at_most(self, bound: f32) -> f32 {
        self.min(bound)
    }
    #[inline(always)]
    fn at_least(self, bound: f32) -> f32 {
        self.max(bound)
    }
    #[inline(always)]
    fn if_positive(self, then: f32, otherwise: f32) -> f32 {
        if self > 0.0 { then } else { otherwise }
    }
    #[inline(always)]
    fn each(&self) -> &[f32] {
        std::slice::from_ref(self)
    }
}

pub use side_by_side::SideBySide;

mod side_by_side {
    use super::{MOST, Numbers};
    use pulp::{Simd, bytemuck};
    use std::ops::{Add, Div, Mul, Neg, Sub};

    /// A register of numbers.
    #[derive(Clone, Copy)]
    pub struct SideBySide<S: Simd> {
        simd: S,
        register: S::f32s,
    }

    impl<S: Simd> SideBySide<S> {
        #[inline(always)]
        pub fn splat(simd: S, x: f32) -> Self {
            SideBySide { simd, register: simd.splat_f32s(x) }
        }

        /// The numbers of the networks from `first` on, as many as a register holds.
        #[inline(always)]
        pub fn load(simd: S, numbers: &[f32; MOST], first: usize) -> Self {
            let numbers = numbers.get(first..).unwrap_or(&[]);
            let full = S::as_simd_f32s(numbers).0.first();
            let register = match full {
                Some(register) => *register,
                None => simd.partial_load_f32s(numbers),
            };
            SideBySide { simd, register }
        }

        #[inline(always)]
        pub fn each_mut(&mut self) -> &mut [f32] {
            bytemuck::cast_slice_mut(std::slice::from_mut(&mut self.register))
        }
    }

    impl<S: Simd> Numbers for SideBySide<S> {
        type Doubles = [f64; MOST];

        const SIDE_BY_SIDE: bool = true;

        #[inline(always)]
        fn all(self, x: f32) -> Self {
            Self::splat(self.simd, x)
        }
        #[inline(always)]
        fn mul_add(self, a: Self, b: Self) -> Self {
            SideBySide { register: self.simd.mul_add_f32s(self.register, a.register, b.register), ..self }
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            SideBySide { register: self.simd.sqrt_f32s(self.register), ..self }
        }
        #[inline(always)]
        fn at_most(self, bound: f32) -> Self {
            let bound = self.all(bound);
            SideBySide { register: self.simd.min_f32s(self.register, bound.register), ..self }
        }
        #[inline(always)]
        fn at_least(self, bound: f32) -> Self {
            let bound = self.all(bound);
            SideBySide { register: self.simd.max_f32s(self.register, bound.register), ..self }
        }
        #[inline(always)]
        fn if_positive(self, then: Self, otherwise: Self) -> Self {
            let zero = self.all(0.0);
            let positive = self.simd.less_than_f32s(zero.register, self.register);
            SideBySide {
                register: self.simd.select_f32s(positive, then.register, otherwise.register),
                ..self
            }
        }
        #[inline(always)]
        fn each(&self) -> &[f32] {
            bytemuck::cast_slice(std::slice::from_ref(&self.register))
        }
    }

    macro_rules! operator {
        ($operator:ident, $method:ident, $simd:ident) => {
            impl<S: Simd> $operator for SideBySide<S> {
                type Output = Self;
                #[inline(always)]
                fn $method(self, other: Self) -> Self {
                    SideBySide { register: self.simd.$simd(self.register, other.register), ..self }
                }
            }
            impl<S: Simd> $operator<f32> for SideBySide<S> {
                type Output = Self;
                #[inline(always)]
                fn $method(self, other: f32) -> Self {
                    self.$method(self.all(other))
                }
            }
        };
    }
    operator!(Add, add, add_f32s);
    operator!(Sub, sub, sub_f32s);
    operator!(Mul, mul, mul_f32s);
    operator!(Div, div, div_f32s);

    impl<S: Simd> Neg for SideBySide<S> {
        type Output = Self;
        #[inline(always)]
        fn neg(self) -> Self {
            SideBySide { register: self.simd.neg_f32s(self.register), ..self }
        }
    }
}
