//! One test of every case, for one backend.
//!
//! Knows: how cases are named. Must not know what they are about.

/// Makes a module of tests for each file of cases.
macro_rules! on {
    ($name:ident: $backend:expr; $($file:ident { $($case:ident)* })*) => {
        mod $name {
            $(mod $file {
                $(
                    #[test]
                    fn $case() {
                        crate::world::on($backend, crate::$file::$case);
                    }
                )*
            })*
        }
    };
}
