// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "tests/unit/gateway/scsi/termination.hpp"

namespace caisson::scsi {
namespace {

class InquiryTest : public ScsiTest {
 protected:
  Bytes page(int code) {
    auto cdb = hex("12 01 00 FFFF 00");
    cdb[2] = static_cast<std::byte>(code);
    auto x = run(cdb);
    EXPECT_TRUE(x.good());
    auto data = x.data();
    EXPECT_GE(data.size(), 4u);
    EXPECT_EQ(data[1], static_cast<std::byte>(code));
    EXPECT_EQ(at<be16>(data, 2), data.size() - 4);
    return data;
  }
  static Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes all;
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
  }
  static Bytes text(std::string_view characters) {
    auto bytes = std::as_bytes(std::span(characters));
    return {bytes.begin(), bytes.end()};
  }
  static Bytes zeros(std::size_t count) { return Bytes(count); }
  static tests::MemoryObject::Setup without_unmap() {
    tests::MemoryObject::Setup setup;
    setup.features.unmap = false;
    return setup;
  }
};

TEST_F(InquiryTest, StandardData) {
  EXPECT_EQ(run("12 00 00 00FF 00").data(),
            joined({hex("00 00 06 12 5B 10 00 02"), text("CAISSON VIRTUAL DISK    0001"), zeros(22),
                    hex("00A0 0960 0460 04C0 0000 0000 0000 0000"), zeros(22)}));
}

TEST_F(InquiryTest, AllocationLengthCuts) {
  for (int length : {0, 5, 36, 95, 96}) {
    auto cdb = hex("12 00 00 0000 00");
    cdb[4] = static_cast<std::byte>(length);
    EXPECT_EQ(run(cdb).data().size(), static_cast<std::size_t>(length));
  }
  EXPECT_EQ(run("12 00 00 0200 00").data(), run("12 00 00 01FF 00").data());
}

TEST_F(InquiryTest, RemovableShows) {
  tests::MemoryObject::Setup setup;
  setup.identity.removable = true;
  attach(setup);
  EXPECT_EQ(run("12 00 00 00FF 00").data()[1], std::byte{0x80});
}

TEST_F(InquiryTest, AbsentUnit) {
  auto data = run("12 00 00 00FF 00", {}, lun_address(3)).data();
  ASSERT_EQ(data.size(), 96u);
  EXPECT_EQ(data[0], std::byte{0x7f});
  EXPECT_EQ(data[2], std::byte{0x06});
  expect_field(run("12 01 83 00FF 00", {}, lun_address(3)), 2, 7);
}

TEST_F(InquiryTest, PageCodeWithoutVitalBitIsRefused) {
  expect_field(run("12 00 01 00FF 00"), 2, 7);
}

TEST_F(InquiryTest, UnknownPageIsRefused) {
  for (int code = 0; code < 256; ++code) {
    auto supported = page(0x00);
    if (std::find(supported.begin() + 4, supported.end(), static_cast<std::byte>(code)) !=
        supported.end())
      continue;
    auto cdb = hex("12 01 00 00FF 00");
    cdb[2] = static_cast<std::byte>(code);
    expect_field(run(cdb), 2, 7);
  }
}

TEST_F(InquiryTest, SupportedPagesAreSortedAndAllThere) {
  EXPECT_EQ(page(0x00), hex("00 00 0007 00 80 83 86 B0 B1 B2"));
  attach(without_unmap());
  EXPECT_EQ(page(0x00), hex("00 00 0006 00 80 83 86 B0 B1"));
}

TEST_F(InquiryTest, SerialNumber) {
  EXPECT_EQ(page(0x80), joined({hex("00 80 0010"), text("0000000000000001")}));
}

TEST_F(InquiryTest, IdentificationOfAnNaa3Disk) {
  auto name = text("iqn.2026-11.io.caisson:node:disk");  // 32 characters
  ASSERT_EQ(name.size(), 32u);
  EXPECT_EQ(page(0x83),
            joined({hex("00 83 00AC"), hex("01 03 00 08 3000000000000001"),
                    joined({hex("02 01 00 18"), text("CAISSON 0000000000000001")}),
                    joined({hex("03 08 00 18"), text("naa.3000000000000001"), zeros(4)}),
                    hex("51 94 00 04 0000 0002"), hex("51 95 00 04 0000 0003"),
                    joined({hex("53 98 00 2C"), name, text(",t,0x0003"), zeros(3)}),
                    joined({hex("53 A8 00 24"), name, zeros(4)})}));
}

TEST_F(InquiryTest, IdentificationOfAnNaa6Disk) {
  tests::MemoryObject::Setup setup;
  setup.identity.naa = "60123456789abcdef0123456789abcde";
  attach(setup);
  auto data = page(0x83);
  auto designator = hex("01 03 00 10 60123456789ABCDEF0123456789ABCDE");
  EXPECT_TRUE(std::equal(designator.begin(), designator.end(), data.begin() + 4));
  auto name = joined({hex("03 08 00 28"), text("naa.60123456789ABCDEF0123456789ABCDE"), zeros(4)});
  EXPECT_NE(std::search(data.begin(), data.end(), name.begin(), name.end()), data.end());
}

TEST_F(InquiryTest, LongNamesStayInsideTheirLengthByte) {
  tests::MemoryObject::Setup setup;
  setup.identity.serial = std::string(300, 's');
  attach(setup);
  auto who = identity(2);
  who.target_name = std::string(223, 't');
  nexus_ = std::make_unique<Nexus>(who, std::vector<LunMapping>{{0, unit_}});
  auto data = page(0x83);
  std::size_t at = 4;
  while (at < data.size()) {
    auto length = std::to_integer<std::size_t>(data[at + 3]);
    EXPECT_EQ(length % 4, 0u);
    at += 4 + length;
  }
  EXPECT_EQ(at, data.size());
}

TEST_F(InquiryTest, ExtendedInquiryTellsOfTheCache) {
  EXPECT_EQ(page(0x86), joined({hex("00 86 003C 00 07 01 00"), zeros(56)}));
  tests::MemoryObject::Setup setup;
  setup.features.write_cache = false;
  attach(setup);
  EXPECT_EQ(page(0x86)[6], std::byte{0});
}

TEST_F(InquiryTest, BlockLimits) {
  EXPECT_EQ(page(0xb0),
            joined({hex("00 B0 003C 01 80 0008 00004000 00000800 00000000"),
                    hex("00100000 00000100 00000008 80000000 0000000000008000"), zeros(20)}));
}

TEST_F(InquiryTest, BlockLimitsWithoutUnmap) {
  attach(without_unmap());
  EXPECT_EQ(page(0xb0),
            joined({hex("00 B0 003C 01 80 0008 00004000 00000800 00000000"),
                    hex("00000000 00000000 00000000 00000000 0000000000008000"), zeros(20)}));
}

TEST_F(InquiryTest, BlockLimitsCountLogicalBlocks) {
  tests::MemoryObject::Setup setup;
  setup.geometry.logical_block = 4096;
  setup.features.unmap_granularity = 65536;
  attach(setup);
  EXPECT_EQ(page(0xb0),
            joined({hex("00 B0 003C 01 80 0001 00000800 00000100 00000000"),
                    hex("00100000 00000100 00000010 80000000 0000000000001000"), zeros(20)}));
}

TEST_F(InquiryTest, DoesNotRotate) {
  EXPECT_EQ(page(0xb1), joined({hex("00 B1 003C 0001 00 40"), zeros(56)}));
}

TEST_F(InquiryTest, Provisioning) { EXPECT_EQ(page(0xb2), hex("00 B2 0004 0B E4 02 00")); }

TEST_F(InquiryTest, PagesAgreeWithReadCapacityAndFeatures) {
  for (auto [logical, physical] : {std::pair{512u, 512u}, {512u, 4096u}, {4096u, 4096u}})
    for (bool unmap : {false, true}) {
      tests::MemoryObject::Setup setup;
      setup.geometry.logical_block = logical;
      setup.geometry.physical_block = physical;
      setup.features.unmap = unmap;
      attach(setup);
      auto capacity = run("9E 10 0000000000000000 00000020 00 00").data();
      auto limits = page(0xb0);
      EXPECT_EQ(at<be32>(capacity, 8), logical);
      auto per_physical = 1u << std::to_integer<unsigned>(capacity[13] & std::byte{0x0f});
      EXPECT_EQ(per_physical * logical, physical);
      EXPECT_EQ(at<be16>(limits, 6), per_physical);
      EXPECT_EQ(at<be32>(limits, 8) * logical, kMaxTransfer);
      auto lbpme = (capacity[14] & std::byte{0x80}) != std::byte{0};
      auto lbprz = (capacity[14] & std::byte{0x40}) != std::byte{0};
      EXPECT_EQ(lbpme, unmap);
      EXPECT_EQ(lbprz, unmap);
      EXPECT_EQ(at<be32>(limits, 20) != 0, unmap);
      EXPECT_EQ(at<be32>(limits, 24) != 0, unmap);
      EXPECT_EQ(at<be32>(limits, 28) * logical, unmap ? object_->features().unmap_granularity : 0u);
      EXPECT_EQ(run("12 01 B2 00FF 00").good(), unmap);
      EXPECT_EQ(run("A3 0C 01 42 0000 0000FFFF 00 00").data()[1],
                static_cast<std::byte>(unmap ? 3 : 1));
    }
}

}  // namespace
}  // namespace caisson::scsi
