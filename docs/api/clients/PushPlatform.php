<?php
// A client of the CRM API in one file, for PHP 8.1 or newer, no packages: copy it into your project.
declare(strict_types=1);

/** An answer that is an error. Branch on $problem['code']; its `errors` say what is wrong with which field. */
class PushError extends RuntimeException
{
    public function __construct(public readonly int $status, public readonly array $problem)
    {
        parent::__construct("$status {$problem['code']}: {$problem['detail']}");
    }
}
/** Mend the request; sending it again as it is changes nothing. */
final class WrongRequest extends PushError {}
/** The key is missing, wrong, revoked or lacks a scope. */
final class NotAllowed extends PushError {}
/** There is no such thing in the key's Site. */
final class NotFound extends PushError {}
/** Busy, out of order or out of reach, through all attempts. */
final class Unavailable extends PushError {}

final class PushPlatform
{
    public function __construct(private string $api, private string $key, private int $attempts = 6)
    {
        $this->api = rtrim($api, '/');
    }

    /** Sends once, however often it has to be tried. The same key again answers the same. */
    public function send(array $message, ?string $idempotencyKey = null): array
    {
        return $this->call('POST', '/messages', $message, $idempotencyKey ?? bin2hex(random_bytes(16)));
    }

    /** What became of a message, device by device. */
    public function deliveries(string $messageId, array $filters = []): Generator
    {
        do {
            $page = $this->call('GET', "/messages/$messageId/deliveries?" . http_build_query($filters));
            yield from $page['data'];
            $filters['cursor'] = $page['next_cursor'];
        } while ($page['next_cursor'] !== null);
    }

    public function contact(string $externalId): array
    {
        return $this->call('GET', '/contacts/' . rawurlencode($externalId));
    }

    public function putContact(string $externalId, array $members): array
    {
        return $this->call('PUT', '/contacts/' . rawurlencode($externalId), $members);
    }

    /** One event; with an `id` it counts once. Throws WrongRequest when it was not taken. */
    public function event(string $externalId, string $name, array $members = []): string
    {
        $event = ['external_id' => $externalId, 'name' => $name] + $members;
        $result = $this->call('POST', '/events', ['events' => [$event]])['results'][0];
        if ($result['status'] === 'failed') {
            throw new WrongRequest(200, $result + ['detail' => $result['errors'][0]['detail']]);
        }
        return $result['status'];
    }

    public function call(string $method, string $path, ?array $body = null, ?string $idempotencyKey = null): ?array
    {
        $headers = ["Authorization: Bearer $this->key", 'Content-Type: application/json'];
        if ($idempotencyKey !== null) {
            $headers[] = "Idempotency-Key: $idempotencyKey";
        }
        $http = ['method' => $method, 'header' => $headers, 'timeout' => 30, 'ignore_errors' => true];
        if ($body !== null) {
            $http['content'] = json_encode($body ?: new stdClass(), JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
        }
        for ($attempt = 1; ; $attempt++) {
            $http_response_header = [];
            $text = @file_get_contents($this->api . $path, false, stream_context_create(['http' => $http]));
            $status = (int) (explode(' ', $http_response_header[0] ?? '')[1] ?? 0);
            if ($status >= 200 && $status < 300) {
                $answer = $status === 204 ? null : json_decode((string) $text, true);
                if ($answer !== null || $status === 204) {
                    return $answer;
                }
                $status = 0; // cut off: PHP hands on what had come
            }
            $error = self::error($status, (string) $text);
            if (!$error instanceof Unavailable || $attempt === $this->attempts) {
                throw $error;
            }
            $wait = mt_rand(50, 100) / 100 * min(0.5 * 2 ** $attempt, 30);
            usleep((int) (1e6 * max(self::retryAfter($http_response_header), $wait)));
        }
    }

    private static function error(int $status, string $text): PushError
    {
        // Status 0: refused, reset, timed out, cut off; who knows whether it arrived. No JSON: of a proxy in between.
        $problem = (json_decode($text, true) ?: []) + ['code' => $status ? 'no_problem' : 'unreachable', 'detail' => ''];
        if ($status === 0 || $status === 429 || $status >= 500 || $problem['code'] === 'idempotency_in_progress') {
            return new Unavailable($status, $problem);
        }
        return match ($status) {
            401, 403 => new NotAllowed($status, $problem),
            404 => new NotFound($status, $problem),
            default => new WrongRequest($status, $problem),
        };
    }

    private static function retryAfter(array $headers): float
    {
        $found = preg_grep('/^Retry-After:/i', $headers);
        return $found ? (float) trim(substr(end($found), 12)) : 0.0;
    }
}
