use std::mem::offset_of;
use std::ptr::NonNull;

use zigalloc::collections::{
    DoublyLinkedList, DoublyLinkedNode, SinglyLinkedList, SinglyLinkedNode, field_parent_ptr,
};
use zigalloc::heap::{ArenaAllocator, PAGE_ALLOCATOR};

use super::assert_panics;

struct Two {
    data: u32,
    node: DoublyLinkedNode,
}

struct One {
    data: u32,
    node: SinglyLinkedNode,
}

/// Items in an arena, by pointers to their nodes that may access all of them.
fn doubly(arena: &ArenaAllocator<zigalloc::SyncAllocator<'static>>, data: u32) -> NonNull<DoublyLinkedNode> {
    let item = arena.allocator().create_with(Two { data, node: DoublyLinkedNode::new() }).unwrap();
    // SAFETY: new, and a field is not null.
    unsafe { NonNull::new_unchecked(&raw mut (*item.as_ptr()).node) }
}

fn singly(arena: &ArenaAllocator<zigalloc::SyncAllocator<'static>>, data: u32) -> NonNull<SinglyLinkedNode> {
    let item = arena.allocator().create_with(One { data, node: SinglyLinkedNode::new() }).unwrap();
    // SAFETY: new, and a field is not null.
    unsafe { NonNull::new_unchecked(&raw mut (*item.as_ptr()).node) }
}

fn data(list: &DoublyLinkedList) -> Vec<u32> {
    // SAFETY: every node is the field of a `Two`.
    let of = |node| unsafe { field_parent_ptr::<Two, _>(node, offset_of!(Two, node)).as_ref() }.data;
    let forward: Vec<u32> = list.iterator().map(of).collect();
    // SAFETY: nodes of the list.
    let backward = std::iter::successors(list.last(), |node| unsafe { node.as_ref() }.prev()).map(of);
    assert!(backward.eq(forward.iter().rev().copied()), "the links lead back");
    assert_eq!((list.len(), list.is_empty()), (forward.len(), forward.is_empty()));
    forward
}

/// TR-51
#[test]
fn basic_doubly_linked_list_test() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(|n| doubly(&arena, n));
    let mut list = DoublyLinkedList::new();
    // SAFETY: the arena outlives the list, and only the list uses the nodes; each is put in once.
    unsafe {
        list.append(two);
        list.append(five);
        list.prepend(one);
        list.insert_before(five, four);
        list.insert_after(two, three);
        assert_eq!(data(&list), [1, 2, 3, 4, 5]);
        assert_eq!((list.pop_first(), list.pop()), (Some(one), Some(five)));
        list.remove(three);
        assert_eq!(data(&list), [2, 4]);
        list.remove(two);
        list.remove(four);
    }
    assert_eq!((data(&list), list.pop(), list.pop_first()), (vec![], None, None));
}

#[test]
fn doubly_linked_list_concatenation() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let [one, two, three, four] = [1, 2, 3, 4].map(|n| doubly(&arena, n));
    let (mut list1, mut list2) = (DoublyLinkedList::new(), DoublyLinkedList::new());
    // SAFETY: as above.
    unsafe {
        list1.append(one);
        list1.append(two);
        list2.append(three);
        list2.append(four);
    }
    list1.concat_by_moving(&mut list2);
    assert_eq!((data(&list1), data(&list2)), (vec![1, 2, 3, 4], vec![]));
    list1.concat_by_moving(&mut list2);
    list2.concat_by_moving(&mut list1);
    assert_eq!((data(&list1), data(&list2)), (vec![], vec![1, 2, 3, 4]));
}

#[test]
fn basic_singly_linked_list_test() {
    let arena = ArenaAllocator::init(PAGE_ALLOCATOR);
    let [one, two, three, four, five] = [1, 2, 3, 4, 5].map(|n| singly(&arena, n));
    let mut list = SinglyLinkedList::new();
    let data = |list: &SinglyLinkedList| {
        // SAFETY: every node is the field of a `One`.
        let of = |node| unsafe { field_parent_ptr::<One, _>(node, offset_of!(One, node)).as_ref() }.data;
        list.iterator().map(of).collect::<Vec<u32>>()
    };
    // SAFETY: the arena outlives the list, and only the list uses the nodes; each is put in once.
    unsafe {
        list.prepend(two);
        SinglyLinkedNode::insert_after(two, five);
        list.prepend(one);
        SinglyLinkedNode::insert_after(two, three);
        SinglyLinkedNode::insert_after(three, four);
        assert_eq!((data(&list), list.len()), (vec![1, 2, 3, 4, 5], 5));
        assert_eq!(list.pop_first(), Some(one));
        list.remove(five);
        assert_eq!(SinglyLinkedNode::remove_next(two), Some(three));
        assert_eq!((data(&list), list.find_last()), (vec![2, 4], Some(four)));
        assert_eq!(SinglyLinkedNode::remove_next(four), None);
        assert_panics("SinglyLinkedList::remove: the node", || list.remove(one));
        list.prepend(one);
        list.reverse();
        assert_eq!(data(&list), [4, 2, 1]);
        list.remove(four);
        assert_eq!((data(&list), list.first()), (vec![2, 1], Some(two)));
    }
}
