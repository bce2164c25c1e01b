//! How `proptest` generates and shrinks programs.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::program::{
    Change, Child, DebugOptions, Layer, Len, MAX_LAYERS, Misuse, Mode, Program, Shape, Source, Step, Via,
};

/// Programs with at most `steps` steps.
pub fn programs(steps: usize) -> impl Strategy<Value = Program> {
    (source(), child(), vec(layer().boxed(), 0..=MAX_LAYERS), vec(step().boxed(), 1..=steps))
        .prop_map(|(source, child, layers, steps)| Program { source, child, layers, steps })
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        12 => Just(Source::Own),
        3 => Just(Source::Guarded),
        2 => Just(Source::Rust),
        1 => Just(Source::Page),
        1 => Just(Source::C),
        1 => Just(Source::RawC),
        2 => Just(Source::Smp),
    ]
}

/// Never, sometimes, or often.
fn chances() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 2 => 0_u8..40, 1 => any::<u8>()]
}

fn child() -> impl Strategy<Value = Child> {
    (any::<u64>(), chances(), chances(), chances(), any::<u8>(), any::<bool>()).prop_map(
        |(seed, refuse, refuse_resize, refuse_remap, moves, calls_back)| Child {
            seed,
            refuse,
            refuse_resize,
            refuse_remap,
            moves,
            calls_back,
        },
    )
}

fn layer() -> impl Strategy<Value = Layer> {
    prop_oneof![
        4 => Just(Layer::Arena),
        2 => Just(Layer::SharedArena),
        2 => (any::<u16>(), any::<u8>(), any::<bool>())
            .prop_map(|(len, skip, thread_safe)| Layer::FixedBuffer { len, skip, thread_safe }),
        2 => (any::<u16>(), any::<u8>()).prop_map(|(len, skip)| Layer::BufferFirst { len, skip }),
        2 => Just(Layer::StackFallback),
        1 => Just(Layer::ThreadSafe),
        1 => Just(Layer::Locked),
        5 => debug_options().prop_map(Layer::Debug),
        1 => Just(Layer::Counting),
        1 => Just(Layer::Logging),
        1 => Just(Layer::Validation),
        1 => Just(Layer::Ledger),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(fail_index, resize_fail_index)| Layer::Failing {
            fail_index,
            resize_fail_index
        }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(pages, skip)| Layer::Sbrk { pages, skip }),
        1 => Just(Layer::Adapter),
    ]
}

fn debug_options() -> impl Strategy<Value = DebugOptions> {
    let flags = any::<[bool; 6]>();
    (flags, prop_oneof![2 => Just(0_u8), 1 => any::<u8>()], 0_u8..4, 0_u8..7).prop_map(
        |(
            [safety, thread_safe, never_unmap, retain_metadata, traces, limit],
            quarantine,
            frames,
            page_size,
        )| {
            DebugOptions {
                safety,
                thread_safe,
                never_unmap,
                retain_metadata,
                resize_stack_traces: traces,
                enable_memory_limit: limit,
                quarantine,
                frames,
                page_size,
            }
        },
    )
}

fn len() -> impl Strategy<Value = Len> {
    any::<u16>().prop_map(Len)
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        5 => Just(Shape::Raw),
        2 => Just(Shape::Bytes),
        1 => Just(Shape::Words),
        1 => Just(Shape::Aligned),
        1 => Just(Shape::Sentinel),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![Just(Change::Resize), Just(Change::Remap), Just(Change::Realloc)]
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![Just(Mode::FreeAll), Just(Mode::RetainCapacity), any::<u16>().prop_map(Mode::RetainWithLimit)]
}

fn misuse() -> impl Strategy<Value = Misuse> {
    prop_oneof![
        Just(Misuse::FreeTwice),
        Just(Misuse::Stale),
        Just(Misuse::WrongLength),
        Just(Misuse::WrongAlignment),
        Just(Misuse::Inside),
        Just(Misuse::Foreign),
        Just(Misuse::Overrun),
    ]
}

fn via() -> impl Strategy<Value = Via> {
    prop_oneof![Just(Via::Free), Just(Via::Resize), Just(Via::Remap)]
}

/// A number that is taken modulo something.
fn n() -> impl Strategy<Value = u8> {
    any::<u8>()
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => blocks().boxed(),
        6 => pools().boxed(),
        6 => wholes().boxed(),
        3 => (n(), n(), misuse(), via(), n())
            .prop_map(|(at, block, kind, via, n)| Step::Misuse { at, block, kind, via, n })
            .boxed(),
    ]
}

/// Steps on blocks.
fn blocks() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (n(), shape(), len(), n()).prop_map(|(at, shape, len, alignment_log2)| Step::Alloc {
            at,
            shape,
            len,
            alignment_log2
        }),
        9 => (n(), change(), len()).prop_map(|(block, how, len)| Step::Change { block, how, len }),
        6 => n().prop_map(|block| Step::Free { block }),
        1 => (n(), change()).prop_map(|(block, how)| Step::Empty { block, how }),
        1 => (n(), n(), option::of(change()), any::<u16>(), n()).prop_map(
            |(at, block, how, subtract, alignment_log2)| Step::Huge {
                at,
                block,
                how,
                subtract,
                alignment_log2
            }
        ),
        1 => (n(), len()).prop_map(|(at, len)| Step::Zero { at, len }),
    ]
}

fn pools() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (n(), n()).prop_map(|(at, kind)| Step::NewPool { at, kind }),
        6 => n().prop_map(|pool| Step::Create { pool }),
        3 => (n(), n()).prop_map(|(pool, item)| Step::Destroy { pool, item }),
        1 => (n(), n()).prop_map(|(pool, count)| Step::Preheat { pool, count }),
        1 => (n(), mode()).prop_map(|(pool, mode)| Step::ResetPool { pool, mode }),
        1 => n().prop_map(|pool| Step::PanickingBox { pool }),
        1 => n().prop_map(|pool| Step::EndPool { pool }),
    ]
}

/// Steps on a whole allocator.
fn wholes() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (n(), mode()).prop_map(|(at, mode)| Step::Reset { at, mode }),
        1 => n().prop_map(|at| Step::Promote { at }),
        2 => (n(), any::<bool>()).prop_map(|(at, scope)| Step::Checkpoint { at, scope }),
        2 => n().prop_map(|at| Step::Rewind { at }),
        1 => n().prop_map(|at| Step::Rebuild { at }),
        1 => n().prop_map(|at| Step::Flush { at }),
        1 => (n(), option::of(any::<u16>())).prop_map(|(at, more)| Step::Limit { at, more }),
        1 => n().prop_map(|at| Step::DetectLeaks { at }),
    ]
}
