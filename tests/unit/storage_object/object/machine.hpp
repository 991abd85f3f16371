// SPDX-License-Identifier: Apache-2.0
// A gateway's storage side over one simulated disk: catalog, store "main" and
// failure marks all lie in it, so that one power cut meets all of them.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage_object/object/registry.hpp"
#include "tests/support/sim_sqlite_vfs.hpp"
#include "tests/support/sim_store.hpp"

namespace caisson::tests {

/// Lends a store to who wants to own one.
class BorrowedStore : public file_store::Store {
 public:
  explicit BorrowedStore(file_store::Store& store) : store_(store) {}
  Result<std::unique_ptr<file_store::File>> open(std::string_view name,
                                                 file_store::OpenOptions options) override {
    return store_.open(name, options);
  }
  Result<file_store::FileAttributes> look_up(std::string_view name) override {
    return store_.look_up(name);
  }
  Result<std::unique_ptr<file_store::File>> create_unnamed(
      file_store::OpenOptions options) override {
    return store_.create_unnamed(options);
  }
  Result<> publish(file_store::File& file, std::string_view name) override {
    return store_.publish(file, name);
  }
  Result<> rename(std::string_view from, std::string_view to) override {
    return store_.rename(from, to);
  }
  Result<> remove(std::string_view name) override { return store_.remove(name); }
  Result<> make_directory(std::string_view name) override { return store_.make_directory(name); }
  Result<> sync_names(std::string_view directory) override { return store_.sync_names(directory); }
  Result<std::vector<file_store::DirectoryEntry>> list(std::string_view directory) override {
    return store_.list(directory);
  }
  Result<file_store::Space> space() override { return store_.space(); }
  const file_store::FileTraits& traits() const noexcept override { return store_.traits(); }
  std::string location() const override { return store_.location(); }

 private:
  file_store::Store& store_;
};

class Machine final : public object::RegistryObserver {
 public:
  enum class Main { added, left };  ///< whether store "main" is added, as a configuration would

  /// `disk` outlives it. `marks`: where failure marks go, if anywhere. Stores beside
  /// "main" live as long as the machine.
  explicit Machine(SimStore& disk, SimStore* marks = nullptr,
                   std::function<void(object::RegistryOptions&)> adjust = {},
                   Main main = Main::added)
      : disk_(disk), vfs_(disk) {
    auto opened = catalog::Catalog::open({.path = "catalog.db", .vfs = vfs_.name()});
    if (!opened) {
      failure_ = opened.error();
      return;
    }
    catalog_ = std::move(*opened);
    object::RegistryOptions options;
    options.catalog = catalog_.get();
    options.node = "node";
    options.lock_wait = std::chrono::seconds(0);
    if (marks)
      options.failure_marks = {
          {"marks", [marks](bool) -> Outcome<std::unique_ptr<file_store::Store>> {
             return std::make_unique<BorrowedStore>(*marks);
           }}};
    options.open_store =
        [this](const catalog::StoreRecord& record) -> Outcome<std::unique_ptr<file_store::Store>> {
      bool on_disk = record.location == "/simulated" || record.name == "import";
      return std::make_unique<BorrowedStore>(on_disk ? disk_ : others_[record.location]);
    };
    if (adjust) adjust(options);
    registry_ = object::ObjectRegistry::make(std::move(options));
    auto started = registry_->start(*this);
    if (started && main == Main::added)
      started =
          registry_->add_store({.name = "main", .location = "/simulated", .import_allowed = true});
    if (!started) failure_ = started.error();
  }
  ~Machine() {
    registry_.reset();
    catalog_.reset();
  }

  object::ObjectRegistry& registry() { return *registry_; }
  catalog::Catalog& catalog() { return *catalog_; }
  const std::optional<Failure>& failure() const { return failure_; }

  /// A LUN of that size, which must succeed.
  std::shared_ptr<object::StorageObject> make(
      const std::string& name, std::uint64_t capacity,
      catalog::CacheMode cache = catalog::CacheMode::writeback) {
    auto made = registry_->create({.name = name, .capacity = capacity, .cache = cache});
    EXPECT_TRUE(made) << made.error().message;
    return made ? made->object : nullptr;
  }
  std::shared_ptr<object::StorageObject> object(const std::string& name) {
    auto found = registry_->find(name);
    return found ? found->object : nullptr;
  }

  void on_served(const std::shared_ptr<object::StorageObject>&) override { ++served; }
  void on_withdrawn(const std::shared_ptr<object::StorageObject>&) override { ++withdrawn; }
  std::atomic<int> served = 0;
  std::atomic<int> withdrawn = 0;

 private:
  SimStore& disk_;
  std::map<std::string, SimStore> others_;
  SimSqliteVfs vfs_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<object::ObjectRegistry> registry_;
  std::optional<Failure> failure_;
};

inline Error write(block::BlockDevice& device, std::uint64_t offset,
                   std::span<const std::byte> bytes, bool fua = false) {
  IoVec memory{const_cast<std::byte*>(bytes.data()), bytes.size()};
  block::IoRequest request;
  request.op = block::IoOp::write;
  request.offset = offset;
  request.length = bytes.size();
  request.buffers = {&memory, 1};
  request.fua = fua;
  return block::perform(device, request);
}

inline Error read(block::BlockDevice& device, std::uint64_t offset, std::span<std::byte> bytes) {
  IoVec memory{bytes.data(), bytes.size()};
  block::IoRequest request;
  request.op = block::IoOp::read;
  request.offset = offset;
  request.length = bytes.size();
  request.buffers = {&memory, 1};
  return block::perform(device, request);
}

inline Error simple(block::BlockDevice& device, block::IoOp op, std::uint64_t offset = 0,
                    std::uint64_t length = 0, bool may_unmap = false) {
  block::IoRequest request;
  request.op = op;
  request.offset = offset;
  request.length = length;
  request.may_unmap = may_unmap;
  return block::perform(device, request);
}
inline Error flush(block::BlockDevice& device) { return simple(device, block::IoOp::flush); }

inline std::vector<std::byte> filled(std::size_t length, int value) {
  return std::vector<std::byte>(length, std::byte(value));
}

}  // namespace caisson::tests
