// SPDX-License-Identifier: Apache-2.0
// Writes that depend on what is there: COMPARE AND WRITE and ORWRITE.
#include <algorithm>

#include "storage_object/object/object_op.hpp"

namespace caisson::object {

using block::BlockErrc;
using block::Combine;
using block::IoOp;
using block::IoRequest;

namespace {

/// Sets the bits of `from`.
void set_bits(std::span<std::byte> there, std::span<const IoVec> from) {
  Buffer more(there.size());
  gather(more.span(), from, 0);
  for (std::size_t i = 0; i < there.size(); ++i) there[i] |= more.data()[i];
}

/// Replaces what equals the first half of `from` by the second. Else false, and
/// where it differs.
bool replace_if_equal(std::span<std::byte> there, std::span<const IoVec> from,
                      std::uint64_t& mismatch) {
  Buffer expected(there.size());
  gather(expected.span(), from, 0);
  auto differs = std::ranges::mismatch(there, expected.span());
  if (differs.in1 != there.end()) {
    mismatch = static_cast<std::uint64_t>(differs.in1 - there.begin());
    return false;
  }
  gather(there, from, there.size());
  return true;
}

}  // namespace

/// The range is held against other writes, so that what is read stays.
void LunObject::read_first(ObjectOp& op) {
  op.combined = Buffer(op.parent->length);
  op.combined_vector = {op.combined.data(), op.parent->length};
  op.child = *op.parent;
  op.child.op = IoOp::read;
  op.child.combine = Combine::replace;
  op.child.buffers = {&op.combined_vector, 1};
  op.child.fua = false;
  op.child.owner = &op;
  op.child.complete = on_read_first;
  stack_->submit(op.child);
}

void LunObject::on_read_first(IoRequest& child) noexcept {
  auto& op = *static_cast<ObjectOp*>(child.owner);
  auto& self = *op.object;
  auto& request = *op.parent;
  Error error = child.error;
  auto there = op.combined.span().first(request.length);
  if (!error && request.combine == Combine::set_bits) set_bits(there, request.buffers);
  if (!error && request.combine == Combine::replace_if_equal &&
      !replace_if_equal(there, request.buffers, request.mismatch))
    error = BlockErrc::miscompare;
  if (!error && op.recalled) error = BlockErrc::aborted;
  if (error) {
    self.in_flight_.leave(op.range);
    return self.finish(op, error);
  }
  op.child.op = IoOp::write;
  op.child.fua = request.fua;
  self.submit_child(op);
}

}  // namespace caisson::object
