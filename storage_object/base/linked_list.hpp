// SPDX-License-Identifier: Apache-2.0
// A list through the members of its elements: entering and leaving allocate
// nothing and take constant time.
#pragma once

namespace caisson {

/// T has members `T* prev` and `T* next`, which the list owns while the element
/// is in it. Elements are their owners'. No thread rules of its own.
template <class T>
struct LinkedList {
  T* first = nullptr;
  T* last = nullptr;

  void push(T& element) noexcept {
    element.prev = last;
    element.next = nullptr;
    (last != nullptr ? last->next : first) = &element;
    last = &element;
  }

  /// `element` is in this list.
  void remove(T& element) noexcept {
    (element.prev != nullptr ? element.prev->next : first) = element.next;
    (element.next != nullptr ? element.next->prev : last) = element.prev;
  }
};

}  // namespace caisson
