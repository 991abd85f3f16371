// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/container_data.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/pool.hpp"

namespace caisson::object {
namespace {

using block::BlockErrc;
using block::IoOp;
using block::IoRequest;
using file_store::File;
using file_store::FileExtent;
using file_store::FileOp;
using file_store::FileRequest;

constexpr std::size_t kZeroRun = 64 * 1024;
constexpr std::size_t kZeroVectors = 16;  // one written run of zeros: 1 MiB
constexpr std::size_t kExtentRoom = 32;

alignas(kBufferAlignment) constexpr std::array<std::byte, kZeroRun> kZeros{};

constexpr std::uint64_t down(std::uint64_t value, std::uint64_t unit) {
  return value / unit * unit;
}
constexpr std::uint64_t up(std::uint64_t value, std::uint64_t unit) {
  return down(value + unit - 1, unit);
}

/// Something to do to a range, one of at most five that a request becomes.
struct Step {
  enum class Kind : std::uint8_t { write_zeros, punch, zero, sync };
  Kind kind;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// One request on its way through the file.
struct DataOp {
  FileRequest file;
  IoRequest* request = nullptr;
  File* target = nullptr;
  File* witness = nullptr;
  void (*then)(DataOp&) = nullptr;  // after file has succeeded

  // Read-modify-write, or a copy for alignment's sake.
  Buffer bounce;
  IoVec bounce_vector{};
  std::uint64_t low = 0, high = 0;   // the aligned range
  std::uint64_t begin = 0, end = 0;  // what is changed in it
  std::span<const IoVec> source;     // empty: zeros
  std::uint32_t unit = 1;
  void (*after_write)(DataOp&) = nullptr;

  std::array<Step, 5> steps;
  std::size_t step_count = 0, step = 0;
  std::array<IoVec, kZeroVectors> zero_vectors;
  std::array<FileExtent, kExtentRoom> extents;
};

using Pool = PerThreadPool<DataOp>;

BlockErrc translate(const DataOp& op, const Error& error) {
  if (op.step_count != 0 && op.steps[op.step].kind == Step::Kind::sync) return BlockErrc::failed;
  switch (to_errc(error)) {
    case Errc::no_space: return BlockErrc::no_space;
    case Errc::unsupported: return BlockErrc::unsupported;
    case Errc::cancelled: return BlockErrc::aborted;
    case Errc::offline: return BlockErrc::offline;  // what a view shows
    default:
      return op.request->op == IoOp::read || op.request->op == IoOp::status
                 ? BlockErrc::medium_error
                 : BlockErrc::write_error;
  }
}

void end(DataOp& op, Error error = {}) {
  auto& request = *op.request;
  op.bounce = Buffer();
  Pool::release(&op);
  request.finish(error);
}

void ask_witness(DataOp& op) {
  op.file.op = FileOp::sync;
  op.file.durable = false;
  op.file.offset = op.file.length = 0;
  op.file.buffers = {};
  op.file.complete = [](FileRequest& file) noexcept {
    end(*static_cast<DataOp*>(file.owner), file.error ? BlockErrc::failed : BlockErrc::no_space);
  };
  op.witness->submit(op.file);
}

void on_file(FileRequest& file) noexcept {
  auto& op = *static_cast<DataOp*>(file.owner);
  if (file.error && file.durable && to_errc(file.error) == Errc::no_space) return ask_witness(op);
  if (file.error) return end(op, translate(op, file.error));
  op.then(op);
}

void run(DataOp& op, FileOp what, std::uint64_t offset, std::uint64_t length,
         std::span<const IoVec> buffers, void (*then)(DataOp&)) {
  op.file.op = what;
  op.file.durable = what == FileOp::write && op.request->fua;
  op.file.offset = offset;
  op.file.length = length;
  op.file.buffers = buffers;
  op.file.owner = &op;
  op.file.complete = on_file;
  op.then = then;
  op.target->submit(op.file);
}

void done(DataOp& op) { end(op); }

bool aligned(std::span<const IoVec> buffers, std::uint64_t unit) {
  return std::ranges::all_of(buffers, [unit](const IoVec& v) {
    return reinterpret_cast<std::uintptr_t>(v.iov_base) % unit == 0 && v.iov_len % unit == 0;
  });
}

// Read-modify-write: the first and the last block are read where they are not
// wholly replaced, then everything is written at once.

void merge_and_write(DataOp& op) {
  auto changed = op.bounce.span().subspan(op.begin - op.low, op.end - op.begin);
  if (op.source.empty())
    std::ranges::fill(changed, std::byte{0});
  else
    gather(changed, op.source, 0);
  op.bounce_vector = {op.bounce.data(), op.high - op.low};
  run(op, FileOp::write, op.low, op.high - op.low, {&op.bounce_vector, 1}, op.after_write);
}

void read_last_block(DataOp& op) {
  auto last = op.high - op.unit;
  bool have_it = last == op.low && op.begin != op.low;  // read as the first one
  if (op.end == op.high || have_it) return merge_and_write(op);
  op.bounce_vector = {op.bounce.data() + (last - op.low), op.unit};
  run(op, FileOp::read, last, op.unit, {&op.bounce_vector, 1}, merge_and_write);
}

void read_first_block(DataOp& op) {
  if (op.begin == op.low) return read_last_block(op);
  op.bounce_vector = {op.bounce.data(), op.unit};
  run(op, FileOp::read, op.low, op.unit, {&op.bounce_vector, 1}, read_last_block);
}

void rewrite(DataOp& op, std::uint64_t begin, std::uint64_t end, std::span<const IoVec> source,
             void (*after)(DataOp&)) {
  op.begin = begin;
  op.end = end;
  op.low = down(begin, op.unit);
  op.high = up(end, op.unit);
  op.source = source;
  op.after_write = after;
  op.bounce = Buffer(op.high - op.low);
  read_first_block(op);
}

void scatter_read(DataOp& op) {
  auto& request = *op.request;
  auto from = op.bounce.span().subspan(request.offset - op.low, request.length);
  scatter(request.buffers, 0, from);
  end(op);
}

void start_read(DataOp& op) {
  auto& request = *op.request;
  auto last = request.offset + request.length;
  op.low = down(request.offset, op.unit);
  op.high = up(last, op.unit);
  if (op.unit == 1 ||
      (op.low == request.offset && op.high == last && aligned(request.buffers, op.unit)))
    return run(op, FileOp::read, request.offset, request.length, request.buffers, done);
  op.bounce = Buffer(op.high - op.low);
  op.bounce_vector = {op.bounce.data(), op.high - op.low};
  run(op, FileOp::read, op.low, op.high - op.low, {&op.bounce_vector, 1}, scatter_read);
}

void start_write(DataOp& op) {
  auto& request = *op.request;
  if (op.unit == 1 || (request.offset % op.unit == 0 && request.length % op.unit == 0 &&
                       aligned(request.buffers, op.unit)))
    return run(op, FileOp::write, request.offset, request.length, request.buffers, done);
  rewrite(op, request.offset, request.offset + request.length, request.buffers, done);
}

// Unmap and zeroes: a short list of steps, one after the other.

void add_step(DataOp& op, Step::Kind kind, std::uint64_t begin, std::uint64_t end) {
  if (begin < end || kind == Step::Kind::sync) op.steps[op.step_count++] = {kind, begin, end};
}

void run_step(DataOp& op);

void next_step(DataOp& op) {
  ++op.step;
  run_step(op);
}

/// A piece of zeros was written: go on in the same step.
void next_piece(DataOp& op) {
  op.steps[op.step].begin = op.end;
  run_step(op);
}

void write_zeros(DataOp& op, Step& step) {
  if (step.begin == step.end) return next_step(op);
  auto length = std::min<std::uint64_t>(step.end - step.begin, kZeroRun * kZeroVectors);
  if (op.unit > 1) {  // edges alone, so that the rest can be written as it is
    if (step.begin % op.unit != 0) length = up(step.begin, op.unit) - step.begin;
    length = std::min(length, step.end - step.begin);
    if (length > op.unit) length = down(length, op.unit);
  }
  op.end = step.begin + length;
  if (step.begin % op.unit != 0 || length % op.unit != 0)
    return rewrite(op, step.begin, op.end, {}, next_piece);
  std::size_t count = 0;
  for (std::uint64_t left = length; left > 0; left -= op.zero_vectors[count++].iov_len)
    op.zero_vectors[count] = {const_cast<std::byte*>(kZeros.data()),
                              std::min<std::uint64_t>(left, kZeroRun)};
  run(op, FileOp::write, step.begin, length, std::span(op.zero_vectors).first(count), next_piece);
}

void run_step(DataOp& op) {
  if (op.step == op.step_count) return end(op);
  auto& step = op.steps[op.step];
  switch (step.kind) {
    case Step::Kind::write_zeros: return write_zeros(op, step);
    case Step::Kind::punch:
      return run(op, FileOp::punch, step.begin, step.end - step.begin, {}, next_step);
    case Step::Kind::zero:
      return run(op, FileOp::zero, step.begin, step.end - step.begin, {}, next_step);
    case Step::Kind::sync: return run(op, FileOp::sync, 0, 0, {}, next_step);
  }
}

/// What is less than a block of the store cannot be punched and is written.
void start_zeroes(DataOp& op, bool punch) {
  auto& request = *op.request;
  const auto& traits = op.target->traits();
  auto last = request.offset + request.length;
  auto unit = punch ? std::max<std::uint64_t>(traits.block, op.unit) : op.unit;
  auto low = std::min(up(request.offset, unit), last);
  auto high = std::max(low, down(last, unit));
  add_step(op, Step::Kind::write_zeros, request.offset, low);
  add_step(op,
           punch         ? Step::Kind::punch
           : traits.zero ? Step::Kind::zero
                         : Step::Kind::write_zeros,
           low, high);
  add_step(op, Step::Kind::write_zeros, high, last);
  if (request.fua) add_step(op, Step::Kind::sync, 0, 0);
  run_step(op);
}

/// Zeros are promised of all of it (LBPRZ), so the edges are not left alone.
void start_unmap(DataOp& op) {
  if (!op.target->traits().punch) return end(op, BlockErrc::unsupported);
  start_zeroes(op, true);
}

void report_extents(DataOp& op) {
  auto& request = *op.request;
  request.status_count = std::min(op.file.extent_count, request.status.size());
  for (std::size_t i = 0; i < request.status_count; ++i)
    request.status[i] = {op.extents[i].offset, op.extents[i].length, op.extents[i].data};
  end(op);
}

void start_status(DataOp& op) {
  auto& request = *op.request;
  request.status_count = 0;
  if (request.status.empty() || request.length == 0) return end(op);
  op.file.extents = std::span(op.extents).first(std::min(kExtentRoom, request.status.size()));
  op.file.extent_count = 0;
  run(op, FileOp::extents, request.offset, request.length, {}, report_extents);
}

}  // namespace

ContainerData::ContainerData(std::shared_ptr<File> file, std::shared_ptr<File> witness,
                             DataOptions options)
    : witness_(std::move(witness)),
      options_(options),
      features_({.read_only = options.read_only,
                 .write_cache = true,
                 .unmap = file->traits().punch && options.give_space_back,
                 .write_zeroes = true,
                 .unmap_granularity = file->traits().block}),
      capacity_(options.geometry.capacity) {
  replace_file(std::move(file));
}

block::Geometry ContainerData::geometry() const noexcept {
  auto geometry = options_.geometry;
  geometry.capacity = capacity_.load(std::memory_order_acquire);
  return geometry;
}

block::Features ContainerData::features() const noexcept { return features_; }

void ContainerData::set_capacity(std::uint64_t capacity) noexcept {
  capacity_.store(capacity, std::memory_order_release);
}

void ContainerData::replace_file(std::shared_ptr<File> file) noexcept {
  std::lock_guard lock(file_mutex_);
  file_ = std::move(file);
  const auto& traits = file_->traits();
  unit_.store(traits.direct ? traits.direct_alignment : 1, std::memory_order_relaxed);
}

void ContainerData::close() noexcept {
  std::lock_guard lock(file_mutex_);
  file_.reset();
  witness_.reset();
}

void ContainerData::forget_losses() {
  std::shared_ptr<File> both[2];
  {
    std::lock_guard lock(file_mutex_);
    both[0] = file_;
    both[1] = witness_;
  }
  for (const auto& file : both)
    if (file) (void)file_store::sync(*file);
}

std::shared_ptr<File> ContainerData::file() const {
  std::lock_guard lock(file_mutex_);
  return file_;
}

void ContainerData::submit(IoRequest& request) {
  auto& op = *Pool::acquire();
  op.request = &request;
  op.target = file_.get();
  op.witness = witness_.get();
  op.unit = write_unit();
  op.step_count = op.step = 0;
  switch (request.op) {
    case IoOp::read: return start_read(op);
    case IoOp::write: return start_write(op);
    case IoOp::flush: return run(op, FileOp::sync, 0, 0, {}, done);
    case IoOp::unmap: return start_unmap(op);
    case IoOp::write_zeroes:
      return start_zeroes(
          op, options_.give_space_back && request.may_unmap && op.target->traits().punch);
    case IoOp::status: return start_status(op);
  }
}

}  // namespace caisson::object
