//! The address of a call site: Zig's `@returnAddress()`.

/// Returns an address inside the function that this call is inlined into, or 0 where none is available.
///
/// Zig's allocator functions take the address of their caller, so that a debug allocator can report
/// which line leaked. Rust has no `@returnAddress()`. This function reads the program counter instead: it is
/// always inlined, as are the typed methods of [`Allocator`](crate::Allocator) that call it, so the result
/// is an address in the *user's* function, and debug information maps it to the user's line. It costs one instruction.
///
/// As with a true return address, the result is the address of the *next* instruction. Subtract one to look up the
/// line, as `backtrace::resolve` and Zig's debug information do.
///
/// Every call site has its own address, with one exception: in an optimised build, two branches of an `if` that both
/// start with such a call may share it. The function is then right, but the line may be the other branch's.
///
/// The address is available on x86-64, aarch64 and riscv64. Elsewhere, and under Miri, the result is 0,
/// which means "not provided" throughout the interface.
///
/// Ports the builtin `@returnAddress` of Zig 0.15.2, as far as an inlined function can.
///
/// ```
/// let here = zigalloc::return_address();
/// let there = zigalloc::return_address();
/// assert!(here == 0 || here != there);
/// ```
///
/// A helper takes the address as an argument, so that a report names the helper's caller and not the helper:
///
/// ```
/// use zigalloc::testing::{FailingAllocator, FailingConfig};
/// use zigalloc::{Allocator, Error, return_address};
///
/// #[inline(always)]
/// fn header(allocator: Allocator<'_>) -> Result<(), Error> {
///     header_with_ret_addr(allocator, return_address())
/// }
///
/// fn header_with_ret_addr(allocator: Allocator<'_>, return_address: usize) -> Result<(), Error> {
///     allocator.alloc_advanced_with_ret_addr::<u8, 16>(64, return_address).map(|_| ())
/// }
///
/// let failing = FailingAllocator::init(Allocator::FAILING, FailingConfig { fail_index: 0, ..Default::default() });
/// assert!(header_with_ret_addr(failing.allocator(), 0x1234).is_err());
/// assert_eq!(failing.return_address(), Some(0x1234));
/// assert!(header(failing.allocator()).is_err());
/// ```
#[doc(alias = "returnAddress")]
#[must_use]
#[inline(always)]
pub fn return_address() -> usize {
    // Not marked `pure`: LLVM merges pure statements with equal inputs, which gave two call sites one address.
    // It still hoists a statement that both branches of an `if` start with.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let address: usize;
        // SAFETY: one instruction that computes the address of the next one; it does not access memory,
        // the stack or the flags.
        unsafe {
            core::arch::asm!("lea {}, [rip]", out(reg) address, options(nomem, nostack, preserves_flags))
        };
        address
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    {
        let address: usize;
        // SAFETY: one instruction that computes the address of the next one; it does not access memory,
        // the stack or the flags.
        unsafe {
            core::arch::asm!("adr {}, . + 4", out(reg) address, options(nomem, nostack, preserves_flags))
        };
        address
    }
    #[cfg(all(target_arch = "riscv64", not(miri)))]
    {
        let address: usize;
        // SAFETY: one instruction that computes its own address; it does not access memory, the stack or the flags.
        unsafe {
            core::arch::asm!("auipc {}, 0", out(reg) address, options(nomem, nostack, preserves_flags))
        };
        // `auipc` is four bytes long.
        address.wrapping_add(4)
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))))]
    0
}
