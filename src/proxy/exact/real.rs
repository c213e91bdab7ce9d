//! The two precisions of the engine, as one type parameter over scalars and SIMD vectors.

use pulp::Simd;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// `f32` or `f64`.
pub trait Real:
    Copy
    + Default
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + std::fmt::Debug
    + 'static
{
    /// A SIMD register of the instruction set `S`.
    type Vector<S: Simd>: Copy;

    const ONE: Self;

    fn of(value: f64) -> Self;
    fn to_f64(self) -> f64;

    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// `a · b + c`, fused where the machine can.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;

    /// Values in one register.
    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Vector<S>>() / size_of::<Self>()
    }

    /// The larger one; `self` where `other` is not a number.
    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        if self < other { other } else { self }
    }
}

/// Registers of every instruction set hold at most this many values.
pub const MAX_LANES: usize = 16;

macro_rules! real {
    ($scalar:ty, $vector:ident, $splat:ident, $mul_add:ident) => {
        impl Real for $scalar {
            type Vector<S: Simd> = S::$vector;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $scalar
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }
        }
    };
}

real!(f32, f32s, splat_f32s, mul_add_e_f32s);
real!(f64, f64s, splat_f64s, mul_add_e_f64s);
