// What a container sends in place of a supervisor's frames. The first bytes say in which pieces
// they arrive and what the job may have; they must come to the same in any pieces, and within the
// limits.

#include "docker/frames.h"

#include <string>

#include "fuzz.h"

namespace {

struct Outcome {
  bool broken = false;
  bool done = false;
  std::string told;  // of the events
  sandbox::RunResult result;
};

Outcome Read(const sandbox::Spec& spec, bool early, std::string_view bytes, size_t piece) {
  Outcome outcome;
  docker::FrameParser::Events events;
  events.on_hello = [&](const docker::wire::Hello&) { outcome.told += "h"; };
  events.on_started = [&] { outcome.told += "s"; };
  events.on_output = [&](sandbox::Stream stream, std::string_view data) {
    outcome.told += stream == sandbox::Stream::kStdout ? "o" : "e";
    outcome.told += data;
  };
  events.on_usage = [&](const sandbox::LiveUsage&) { outcome.told += "u"; };
  uint32_t fed = 100;
  events.on_taken = [&](uint32_t taken) {
    outcome.told += "t";
    fed -= std::min(fed, taken);
    return fed > 0;
  };
  docker::FrameParser parser(std::move(events));
  if (early) {
    parser.Expect(spec);
  }
  bool greeted = early;
  while (!bytes.empty() && !outcome.broken) {
    outcome.broken = !parser.Feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    if (!greeted && !outcome.told.empty()) {
      greeted = true;
      parser.Expect(spec);
    }
  }
  outcome.done = parser.done();
  outcome.result = std::move(parser.result());
  return outcome;
}

}  // namespace

FUZZ(frames, input) {
  fuzz::Input in(input);
  const size_t piece = 1 + in.Take<uint8_t>() % 64U;
  sandbox::Spec spec;
  spec.argv = {"/bin/true"};
  spec.limits.wall_time = base::kSecond;
  spec.limits.output_bytes = 1 + in.Take<uint8_t>();
  spec.collect_bytes = in.Take<uint8_t>();
  const auto flags = in.Take<uint8_t>();
  spec.collect.resize(flags & 3U, "file");
  const size_t asked = spec.collect.size();
  if ((flags & 4U) != 0) {
    spec.collect.emplace_back("*.txt");
  }
  const std::string_view bytes = in.TakeRest();

  const Outcome pieces = Read(spec, true, bytes, piece);
  const Outcome whole = Read(spec, true, bytes, bytes.size() + 1);
  MUST(whole.broken == pieces.broken && whole.done == pieces.done && whole.told == pieces.told);
  MUST(whole.result.cause == pieces.result.cause);
  MUST(whole.result.stdout_data == pieces.result.stdout_data);
  MUST(whole.result.stderr_data == pieces.result.stderr_data);

  const auto limit = static_cast<size_t>(spec.limits.output_bytes);
  const size_t most = limit + static_cast<size_t>(docker::wire::kOutputSlack);
  MUST(whole.result.stdout_data.size() <= most && whole.result.stderr_data.size() <= most);
  const size_t files = whole.result.collected.size();
  MUST(files >= asked && files <= docker::wire::kMaxCollect);
  MUST(files == asked || spec.collect.size() > asked);
  int64_t collected = 0;
  for (const sandbox::CollectedFile& file : whole.result.collected) {
    MUST(file.size >= 0);
    MUST((file.fd != nullptr) == file.error.empty() || !whole.done);
    collected += file.size;
  }
  MUST(collected <= spec.collect_bytes);
  // Before the job is sent, nothing but a hello counts.
  MUST(Read(spec, false, bytes.substr(0, 4096), 1).result.usage.wall_time >= 0);
}
