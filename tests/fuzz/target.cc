// Request targets, queries and routes, as they come in the first line of a request.

#include "base/text.h"
#include "fuzz.h"
#include "http/router.h"

FUZZ(target, input) {
  fuzz::Input line(input);
  const std::string_view method = line.TakeUntil(' ');
  const std::string_view text = line.TakeRest();
  const auto target = http::SplitTarget(text);
  if (!target) {
    return;
  }
  MUST(!target->path.empty() && target->path.front() == '/');
  MUST(target->path.size() + target->query.size() <= text.size() + 1);
  if (const auto params = http::ParseQuery(target->query)) {
    for (const auto& [name, value] : *params) {
      MUST(base::IsValidUtf8(name) && base::IsValidUtf8(value));
      MUST(name.find('\n') == std::string::npos && value.find('\0') == std::string::npos);
    }
  }
  const http::Match match = http::FindRoute(method, target->path);
  MUST(match.status == 200 || match.status == 400 || match.status == 404 || match.status == 405);
  MUST((match.status == 405) == !match.allow.empty());
  MUST(base::IsValidUtf8(match.path_param));
  MUST(match.status != 200 || method == "GET" || method == "HEAD" || method == "POST" ||
       method == "DELETE");
}
