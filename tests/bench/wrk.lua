-- wrk's result as one line of JSON, in the words of bench/client.
done = function(summary, latency, requests)
	local e = summary.errors
	io.write(string.format("\n{\"exchanges\": %d, \"seconds\": %.6f, \"bytes\": %d, \"errors\": %d, " ..
		"\"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
		summary.requests, summary.duration / 1e6, summary.bytes,
		e.connect + e.read + e.write + e.status + e.timeout,
		latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
