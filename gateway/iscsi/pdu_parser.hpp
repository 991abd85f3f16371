// SPDX-License-Identifier: Apache-2.0
// Cuts a byte stream into PDUs, however it arrives. Knows framing and digests,
// nothing of sockets or of what PDUs mean.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "gateway/iscsi/pdu.hpp"
#include "storage_object/base/result.hpp"

namespace caisson::iscsi {

/// A header that has arrived whole, with its additional headers.
struct PduHeader {
  Bhs bhs;
  std::span<const std::byte> ahs;
};

/// What the owner of the stream does with its PDUs.
class PduSink {
 public:
  /// A header with a data segment arrived. Returns where its data goes: memory
  /// for data_segment_length bytes that stays until on_pdu, or an empty span:
  /// the data is skipped (with its digest unchecked).
  virtual Result<std::span<std::byte>> on_header(const PduHeader& header) = 0;

  /// The PDU is complete. `data` is what on_header gave, or empty; `intact` is
  /// false when the data digest was wrong.
  virtual Result<> on_pdu(const PduHeader& header, std::span<const std::byte> data,
                          bool intact) = 0;

 protected:
  ~PduSink() = default;
};

/// Single-threaded. After an error the stream is out of step: close it.
class PduParser {
 public:
  struct Config {
    bool header_digest = false;
    bool data_digest = false;
    std::uint32_t max_data = 8192;  ///< MaxRecvDataSegmentLength
  };

  explicit PduParser(PduSink& sink) : sink_(sink) {}

  /// Holds from the next header on.
  void configure(const Config& config) noexcept { config_ = config; }

  /// Takes all of `bytes`, calling the sink as PDUs become complete.
  Error feed(std::span<const std::byte> bytes);

  /// Where the rest of the current data segment may be received directly; empty
  /// when there is none. advance() tells how much was.
  std::span<std::byte> direct() noexcept;
  Error advance(std::size_t received);

  /// True between PDUs: no byte of a next one has come.
  bool idle() const noexcept { return stage_ == Stage::bhs && have_ == 0; }

 private:
  enum class Stage : std::uint8_t { bhs, rest_of_header, data, tail };

  Error step(std::span<const std::byte>& bytes);
  Error header_begun();
  Error header_complete();
  Error finish();
  void collect(std::span<const std::byte>& bytes);
  void expect(Stage stage, std::size_t need) noexcept;
  std::size_t header_length() const noexcept;
  std::size_t tail_length() const noexcept;

  PduSink& sink_;
  Config config_;
  Stage stage_ = Stage::bhs;
  std::size_t have_ = 0;
  std::size_t need_ = kBhsLength;
  std::array<std::byte, kBhsLength + kMaxAhsLength + kDigestLength> header_{};
  std::array<std::byte, 3 + kDigestLength> tail_{};
  PduHeader pdu_{};
  std::uint32_t data_length_ = 0;
  std::span<std::byte> data_;  ///< empty while the data segment is skipped
};

}  // namespace caisson::iscsi
