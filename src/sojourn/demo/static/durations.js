const ago = new Intl.RelativeTimeFormat("en", {numeric: "auto"});
const UNITS = [
	["day", 86_400],
	["hour", 3_600],
	["minute", 60],
	["second", 1],
];

/** Seconds as a running clock shows them: 0:09, 29:59, 11:59:58, 13 days. */
export function running(seconds) {
	if (seconds >= 2 * 86_400) return `${Math.floor(seconds / 86_400)} days`;
	const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
	const two = (number) => String(number).padStart(2, "0");
	return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Milliseconds as one says them: 30 seconds, 2 hours. */
export function spoken(milliseconds) {
	const seconds = Math.round(milliseconds / 1000);
	const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? UNITS.at(-1);
	const count = Math.round((seconds / size) * 10) / 10;
	return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** A moment, by how long ago it was. */
export function since(moment, now) {
	const seconds = Math.round((now - moment) / 1000);
	if (seconds < 5) return "just now";
	const [unit, size] = UNITS.find(([, size]) => seconds >= size);
	return ago.format(-Math.floor(seconds / size), unit);
}

/** A moment as the clock on the wall shows it, with the day where it is not today. */
export function atClock(moment) {
	const date = new Date(moment);
	const isToday = date.toDateString() === new Date().toDateString();
	return date.toLocaleString([], {...(!isToday && {day: "numeric", month: "short"}), hour: "2-digit", minute: "2-digit"});
}
