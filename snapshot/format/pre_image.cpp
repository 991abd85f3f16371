// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/pre_image.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "snapshot/format/layout.hpp"
#include "snapshot/format/map_header.hpp"
#include "snapshot/format/window.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {

constexpr AppendFile::Room kRoom{.chunk = std::uint64_t{1} << 20};
constexpr std::uint64_t kMaxBlock = (std::uint64_t{1} << 60) / kPreImageBlock;
constexpr std::size_t kEntry = kEntryHeader + kPreImageBlock;
constexpr std::size_t kBatch = 1024;  // entries told at a time

static_assert(sizeof(EntryHeader) == kEntryHeader);

BlockHeader block_of(const Uuid& snapshot, std::uint32_t number) {
  BlockHeader header{};
  header.snapshot = snapshot.bytes;
  header.number = number;
  return header;
}

Outcome<SegmentContents> begin_reading(Window& window, const std::string& label,
                                       const Uuid& snapshot, std::uint32_t number) {
  auto bytes = window.at(0, kHeaderBlock);
  if (!bytes) return bytes.error();
  auto block = parse_block(*bytes, kSegmentMagic, label, "pre-image segment");
  if (!block) return block.error();
  if (block->header.snapshot != snapshot.bytes || block->header.number != number)
    return failure(Errc::corrupt, fmt::format("{}: is a segment of another name", label),
                   "put the right file back, or delete the snapshot");
  return SegmentContents{.snapshot = snapshot,
                         .number = number,
                         .end = kHeaderBlock,
                         .chain = block->header.checksum,
                         .size = window.size(),
                         .read_only = (block->header.read_only_compatible &
                                       ~kKnownFeatures.read_only_compatible) != 0};
}

/// The entry behind those that `contents` counts, if one stands there.
std::optional<RawEntry> next_entry(std::span<const std::byte> bytes,
                                   const SegmentContents& contents) {
  if (contents.entries == kMaxPreImages) return std::nullopt;
  auto entry = parse_entry(bytes);
  if (!entry || entry->header.previous != contents.chain ||
      entry->header.number != contents.entries || entry->header.block >= kMaxBlock)
    return std::nullopt;
  return entry;
}

/// Reads what stands at an entry's place: all of it, or as much as the file has.
Outcome<std::span<const std::byte>> read_entry(file_store::File& file, const std::string& label,
                                               std::uint64_t offset, std::span<std::byte> memory) {
  auto attributes = file.attributes();
  if (!attributes) return file_failure(label, "read its length", attributes.error());
  auto length = offset < attributes->size
                    ? std::min<std::uint64_t>(memory.size(), attributes->size - offset)
                    : 0;
  memory = memory.first(static_cast<std::size_t>(length));
  if (auto done = file_store::read_at(file, offset, memory); !done)
    return file_failure(label, "read it", done.error());
  return memory;
}

}  // namespace

Outcome<SegmentContents> read_pre_images(file_store::File& file, const std::string& label,
                                         const Uuid& snapshot, std::uint32_t number,
                                         PreImageVisitor& visitor) {
  auto window = Window::open(file, label);
  if (!window) return window.error();
  auto contents = begin_reading(*window, label, snapshot, number);
  if (!contents) return contents;
  std::vector<PreImageEntry> batch;
  for (;;) {
    auto bytes = window->at(contents->end, kEntry);
    if (!bytes) return bytes.error();
    auto entry = next_entry(*bytes, *contents);
    if (batch.size() == kBatch || (!entry && !batch.empty())) {
      if (auto done = visitor.on_entries(batch); !done) return done.error();
      batch.clear();
    }
    if (!entry) return contents;
    batch.push_back({entry->header.block, contents->end, entry->data.empty()});
    contents->chain = entry->header.checksum;
    contents->end += kEntryHeader + entry->data.size();
    ++contents->entries;
  }
}

PreImageWriter::PreImageWriter(AppendFile out, std::uint32_t entries, std::uint32_t chain)
    : out_(std::move(out)), entries_(entries), chain_(chain) {}

Outcome<PreImageWriter> PreImageWriter::create(file_store::File& file, std::string label,
                                               const Uuid& snapshot, std::uint32_t number) {
  auto block = encode_block(block_of(snapshot, number), kSegmentMagic);
  AppendFile out(file, std::move(label), kRoom, 0);
  if (auto done = out.begin(block); !done) return done.error();
  std::uint32_t chain = load<BlockHeader>(block).checksum;
  return PreImageWriter(std::move(out), 0, chain);
}

Outcome<PreImageWriter> PreImageWriter::open_at(file_store::File& file, std::string label,
                                                const SegmentContents& contents) {
  if (contents.read_only)
    return failure(
        Errc::unsupported,
        fmt::format("{}: a later version wrote this segment, it can only be read", label),
        "use it with that version");
  AppendFile out(file, std::move(label), kRoom, contents.end);
  if (auto done = out.take_over(contents.size); !done) return done.error();
  return PreImageWriter(std::move(out), contents.entries, contents.chain);
}

Outcome<> PreImageWriter::check(std::span<const PreImage> images) const {
  auto refused = [this](const char* what) {
    return failure(Errc::invalid_argument,
                   fmt::format("{}: no entry of it: {}", out_.label(), what));
  };
  if (images.size() > fit()) return refused("the segment is full");
  for (const auto& image : images) {
    if (image.block >= kMaxBlock) return refused("no disk has such a block");
    if (!image.data.empty() && image.data.size() != kPreImageBlock)
      return refused("a block has 4096 bytes");
  }
  return {};
}

Outcome<> PreImageWriter::append(std::span<PreImage> images) {
  if (auto state = out_.state(); !state) return state;
  if (auto possible = check(images); !possible) return possible;
  std::vector<EntryHeader> headers(images.size());
  std::vector<IoVec> pieces;
  pieces.reserve(2 * images.size());
  auto chain = chain_;
  auto offset = out_.end();
  for (std::size_t i = 0; i < images.size(); ++i) {
    auto& image = images[i];
    headers[i] = encode_entry(image.block, entries_ + i, chain, image.data);
    chain = headers[i].checksum;
    pieces.push_back({&headers[i], sizeof headers[i]});
    if (!image.data.empty())
      pieces.push_back({const_cast<std::byte*>(image.data.data()), image.data.size()});
    image.offset = offset;
    offset += kEntryHeader + image.data.size();
  }
  if (auto room = out_.make_room(offset - out_.end()); !room) return room;
  if (auto done = out_.write(pieces); !done) return done;
  chain_ = chain;
  entries_ += static_cast<std::uint32_t>(images.size());
  return {};
}

Outcome<> PreImageWriter::flush() { return out_.sync(); }

Outcome<> PreImageReader::read(std::uint64_t offset, std::uint64_t block,
                               std::span<std::byte> into) const {
  Buffer memory(kEntry);
  auto bytes = read_entry(*file_, label_, offset, memory.span());
  if (!bytes) return bytes.error();
  auto data = entry_data(*bytes, block);
  if (!data)
    return failure(to_errc(data.error()),
                   fmt::format("{}: no pre-image of block {} stands at {}", label_, block, offset),
                   "restore the file, or delete the snapshot");
  if (data->empty())
    std::ranges::fill(into, std::byte{0});
  else
    std::ranges::copy(*data, into.begin());
  return {};
}

Result<std::span<const std::byte>> entry_data(std::span<const std::byte> bytes,
                                              std::uint64_t block) {
  auto entry = parse_entry(bytes);
  if (!entry || entry->header.block != block) return make_error_code(Errc::corrupt);
  return entry->data;
}

}  // namespace caisson::snapshot
