// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/store_mark.hpp"

#include <fmt/format.h>

#include <array>
#include <boost/system/errc.hpp>

#include "storage_object/base/errc.hpp"

namespace caisson::object {
namespace {

constexpr std::string_view kPrefix = "caisson store ";
constexpr std::size_t kUuidLength = 36;
constexpr std::size_t kMaxLength = kPrefix.size() + kUuidLength + 1;  // and a line feed

Failure no_mark(file_store::Store& store, std::string_view name, std::string_view why) {
  return failure(
      Errc::corrupt,
      fmt::format("store '{}': {}/{} is not the mark of a store: {}", name, store.location(),
                  kMarkName, why),
      "take that file away, then see caissond(8), \"Stores\", for how a store is marked anew");
}

Failure cannot_mark(file_store::Store& store, std::string_view name, const Error& error) {
  return failure(
      to_errc(error),
      fmt::format("store '{}': cannot mark {}: {}", name, store.location(), error.message()),
      "check its space and permissions");
}

std::optional<Uuid> parse(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (!text.starts_with(kPrefix)) return std::nullopt;
  return Uuid::parse(text.substr(kPrefix.size()));
}

}  // namespace

std::string mark_text(const Uuid& id) { return fmt::format("{}{}\n", kPrefix, id.to_string()); }

Outcome<std::optional<Uuid>> read_mark(file_store::Store& store, std::string_view name,
                                       const std::optional<Uuid>& expected) {
  auto file = store.open(kMarkName, {.read_only = true});
  const auto refused = file ? Error() : file.error();
  if (refused == boost::system::errc::no_such_file_or_directory) return std::nullopt;
  if (refused == boost::system::errc::too_many_links && expected)
    file = store.open(kMarkName, {.read_only = true, .linked = true});
  if (!file) return no_mark(store, name, file.error().message());
  auto attributes = (*file)->attributes();
  if (!attributes) return no_mark(store, name, attributes.error().message());
  if (attributes->size > kMaxLength)
    return no_mark(store, name, fmt::format("{} bytes long", attributes->size));
  std::array<char, kMaxLength> text;
  auto there = std::span(text).first(attributes->size);
  if (auto done = file_store::read_at(**file, 0, std::as_writable_bytes(there)); !done)
    return no_mark(store, name, done.error().message());
  auto id = parse({there.data(), there.size()});
  if (!id) return no_mark(store, name, "its text is another");
  if (refused && id != expected) return no_mark(store, name, refused.message());
  return id;
}

Outcome<> settle_mark(file_store::Store& store, std::string_view name) {
  auto done = store.sync_names();
  return done ? Outcome<>() : cannot_mark(store, name, done.error());
}

Outcome<> write_mark(file_store::Store& store, std::string_view name, const Uuid& id) {
  auto failed = [&](const Error& error) { return cannot_mark(store, name, error); };
  auto file = store.create_unnamed();
  if (!file) return failed(file.error());
  const auto text = mark_text(id);
  if (auto done = file_store::write_at(**file, 0, std::as_bytes(std::span(text))); !done)
    return failed(done.error());
  if (auto done = (*file)->sync_all(); !done) return failed(done.error());
  if (auto done = store.publish(**file, kMarkName); !done) return failed(done.error());
  if (auto done = store.sync_names(); !done) return failed(done.error());
  return {};
}

}  // namespace caisson::object
