// SPDX-License-Identifier: Apache-2.0
#include "snapshot/format/window.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "snapshot/format/settle.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::snapshot {
namespace {
constexpr std::size_t kWindow = 512 * 1024;
}

Failure file_failure(const std::string& label, const char* doing, const Error& error) {
  auto code = to_errc(error);
  return failure(
      code, fmt::format("{}: cannot {}: {}", label, doing, error.message()),
      code == Errc::no_space ? "free space in the store" : "check the store's file system");
}

Outcome<Window> Window::open(file_store::File& file, const std::string& label) {
  auto attributes = file.attributes();
  if (!attributes) return file_failure(label, "read its length", attributes.error());
  return Window(file, label, attributes->size);
}

Outcome<std::span<const std::byte>> Window::at(std::uint64_t offset, std::size_t least) {
  if (offset >= size_) return std::span<const std::byte>();
  auto wanted = std::min<std::uint64_t>(least, size_ - offset);
  if (offset < from_ || offset + wanted > from_ + filled_) {
    auto length = static_cast<std::size_t>(std::min<std::uint64_t>(kWindow, size_ - offset));
    if (buffer_.empty())
      buffer_ = Buffer(static_cast<std::size_t>(std::min<std::uint64_t>(kWindow, size_)));
    filled_ = 0;
    if (auto done = file_store::read_at(*file_, offset, buffer_.span().first(length)); !done)
      return file_failure(label_, "read it", done.error());
    from_ = offset;
    filled_ = length;
  }
  return buffer_.span().first(filled_).subspan(offset - from_);
}

Outcome<> settle(file_store::File& file, const std::string& label) {
  if (auto done = file.sync_all(); !done)
    return file_failure(label, "make it durable", done.error());
  if (auto done = file.drop_cache(); !done)
    return file_failure(label, "read it from the disk", done.error());
  return {};
}

}  // namespace caisson::snapshot
