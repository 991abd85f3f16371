// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/snapshot/chain/listed_disk.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace caisson::tests {

using snapshot::ChangesOptions;
using snapshot::Method;
using snapshot::Primitive;

ListedDisk::ListedDisk(file_store::Store& store, std::uint64_t capacity, bool preallocated)
    : store_(store), now_(capacity) {
  auto file = store_.create_unnamed({}).value();
  EXPECT_TRUE(file->resize(padded()));
  if (preallocated) {
    EXPECT_TRUE(file_store::apply(*file, file_store::FileOp::allocate, 0, padded()));
  }
  EXPECT_TRUE(store_.publish(*file, "disk.img"));
  EXPECT_TRUE(store_.sync_names(""));
  start();
}

void ListedDisk::start() {
  source_ = store_.open("disk.img").value();
  object::DataOptions options{.geometry = {now_.size(), 512, 4096}};
  auto data = std::make_unique<object::ContainerData>(source_, source_, options);
  live_ = data.get();
  snapshot::ChainParts parts{
      .lun = lun_,
      .place = {&store_, "main", snapshot::folder_of("disk")},
      .live = live_,
      .source = source_,
      .threads = &threads_,
      .pacer = this,
      .policy = &policy_,
      .observer = this,
      .index = (state_.path() / "index.db").string(),
  };
  std::vector<snapshot::Member::Known> known;
  for (const auto& cut : cuts_)
    if (!gone_.contains(cut.known.uuid)) known.push_back(cut.known);
  chain_ = snapshot::Chain::open(parts, known);
  device_ = std::make_unique<snapshot::CaptureDevice>(std::move(data), chain_);
}

void ListedDisk::stop() {
  device_.reset();
  chain_.reset();
  source_.reset();
}

void ListedDisk::restart() {
  stop();
  start();
}

void ListedDisk::touch(std::uint64_t offset, std::uint64_t length) {
  if (cuts_.empty()) return;
  for (auto block = offset / kBlock; block * kBlock < offset + length; ++block)
    cuts_.back().touched.insert(block);
}

void ListedDisk::submit(block::IoOp op, std::uint64_t offset, std::uint64_t length,
                        std::span<IoVec> data) {
  block::IoRequest request;
  request.op = op;
  request.offset = offset;
  request.length = length;
  request.may_unmap = false;
  request.buffers = data;
  EXPECT_FALSE(block::perform(*device_, request));
}

void ListedDisk::write_unseen(std::uint64_t offset, std::span<const std::byte> data) {
  IoVec memory{const_cast<std::byte*>(data.data()), data.size()};
  submit(block::IoOp::write, offset, data.size(), {&memory, 1});
}

void ListedDisk::write(std::uint64_t offset, std::span<const std::byte> data) {
  write_unseen(offset, data);
  std::ranges::copy(data, now_.begin() + static_cast<std::ptrdiff_t>(offset));
  touch(offset, data.size());
}

void ListedDisk::fill(std::uint64_t offset, std::uint64_t length, char with) {
  write(offset, std::vector<std::byte>(length, static_cast<std::byte>(with)));
}

void ListedDisk::unmap_unseen(std::uint64_t offset, std::uint64_t length) {
  submit(block::IoOp::unmap, offset, length, {});
}

void ListedDisk::unmap(std::uint64_t offset, std::uint64_t length) {
  unmap_unseen(offset, length);
  std::ranges::fill(std::span(now_).subspan(offset, length), std::byte{0});
  touch(offset, length);
}

void ListedDisk::write_zeroes(std::uint64_t offset, std::uint64_t length) {
  submit(block::IoOp::write_zeroes, offset, length, {});
  std::ranges::fill(std::span(now_).subspan(offset, length), std::byte{0});
  touch(offset, length);
}

void ListedDisk::flush() { submit(block::IoOp::flush, 0, 0, {}); }

void ListedDisk::grow(std::uint64_t capacity) {
  auto before = now_.size();
  now_.resize(capacity);
  EXPECT_TRUE(source_->resize(padded()));
  live_->set_capacity(capacity);
  touch(before, capacity - before);
}

std::size_t ListedDisk::cut() {
  snapshot::MapHeader header;
  header.snapshot = Uuid::random();
  header.lun = lun_;
  header.lun_name = "disk";
  header.sequence = cuts_.size() + 1;
  header.name = fmt::format("s{}", header.sequence);
  header.capacity = now_.size();
  header.primitive = store_.traits().clone ? Primitive::reflink : Primitive::copy;
  header.unit = header.primitive == Primitive::reflink ? std::uint64_t{64} << 10 : kBlock;
  auto member = chain_->prepare(header);
  EXPECT_TRUE(member) << member.error().message;
  chain_->switch_to(*member);
  EXPECT_TRUE(chain_->commit(*member));
  cuts_.push_back({{.uuid = header.snapshot,
                    .name = header.name,
                    .sequence = header.sequence,
                    .capacity = header.capacity},
                   now_,
                   {}});
  return cuts_.size() - 1;
}

void ListedDisk::remove(std::size_t snapshot) {
  cuts_[snapshot].known.ghost = true;
  auto removed = chain_->remove(uuid(snapshot));
  EXPECT_TRUE(removed) << removed.error().message;
}

void ListedDisk::finish() {
  for (int steps = 0; chain_->step(); ++steps) ASSERT_LT(steps, 100'000);
}

Blocks ListedDisk::list(std::size_t from, std::optional<std::size_t> to, ChangesOptions options,
                        std::size_t room) {
  std::vector<snapshot::Changed> runs(room);
  Blocks blocks;
  auto size = image(to).size();
  auto newer = to ? std::optional(uuid(*to)) : std::nullopt;
  for (std::uint64_t offset = 0, calls = 0;; ++calls) {
    auto page = chain_->changes(uuid(from), newer, offset, runs, options);
    EXPECT_TRUE(page) << page.error().message;
    EXPECT_LT(calls, 100'000U);
    if (!page || calls >= 100'000) break;
    auto end = offset;
    for (std::size_t i = 0; i < page->count; ++i) {
      const auto& run = runs[i];
      EXPECT_TRUE(run.offset % kBlock == 0 && run.length != 0);
      EXPECT_TRUE(i == 0 ? run.offset >= end : run.offset > end);
      EXPECT_TRUE(run.end() % kBlock == 0 || run.end() == size);
      end = run.end();
      for (auto at = run.offset; at < end; at += kBlock) blocks.insert(at / kBlock);
    }
    EXPECT_LE(end, page->next);
    EXPECT_LE(page->next, size);
    EXPECT_EQ(page->done, page->next == size);
    offset = page->next;
    if (page->done) break;
  }
  return blocks;
}

Blocks ListedDisk::differ(std::size_t from, std::optional<std::size_t> to) const {
  const auto& newer = image(to);
  auto older = image(from);
  older.resize(newer.size());
  Blocks blocks;
  for (std::uint64_t at = 0; at < newer.size(); at += kBlock) {
    auto length = std::min<std::uint64_t>(kBlock, newer.size() - at);
    if (!std::equal(&newer[at], &newer[at] + length, &older[at])) blocks.insert(at / kBlock);
  }
  return blocks;
}

Blocks ListedDisk::touched(std::size_t from, std::optional<std::size_t> to) const {
  Blocks blocks;
  for (auto at = from; at < to.value_or(cuts_.size()); ++at)
    blocks.insert(cuts_[at].touched.begin(), cuts_[at].touched.end());
  return blocks;
}

void ListedDisk::expect_lists(std::size_t from, std::optional<std::size_t> to) {
  auto truth = differ(from, to);
  for (auto method : {Method::automatic, Method::extent_maps, Method::captures, Method::contents})
    for (bool refined : {false, true}) {
      SCOPED_TRACE(fmt::format("from {} to {}, method {}, refined {}", from,
                               to ? fmt::to_string(*to) : "now", static_cast<int>(method),
                               refined));
      auto listed = list(from, to, {method, refined}, 1 + (from * 7 + truth.size()) % 9);
      if (refined || method == Method::contents) {
        EXPECT_EQ(listed, truth);
      } else {
        EXPECT_TRUE(std::ranges::includes(listed, truth));
      }
    }
}

}  // namespace caisson::tests
