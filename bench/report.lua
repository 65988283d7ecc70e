-- For wrk: send the tokens in the file $TOKENS in turn, or add a time to each URL that starts at $MOVING and
-- moves by a millisecond; print one line of JSON at the end.
local tokens = {}
local file = os.getenv("TOKENS")
if file and file ~= "" then
    for line in io.lines(file) do tokens[#tokens + 1] = line end
end

local moving = tonumber(os.getenv("MOVING") or "")
if moving then
    local number = 0
    request = function()
        number = number + 1
        return wrk.format(nil, string.format("%s&time=%d.%03d", wrk.path, moving + number / 1000, number % 1000))
    end
elseif #tokens > 0 then
    local number = 0
    request = function()
        number = number % #tokens + 1
        wrk.headers["X-Auth-Token"] = tokens[number]
        return wrk.format()
    end
end

done = function(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "seconds": %.6f, "p50": %.1f, "p99": %.1f, "errors": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write + e.status + e.timeout))
end
