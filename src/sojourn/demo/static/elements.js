/** Makes an element: properties are set as such, text is text and never markup. */
export function element(tag, properties = {}, ...children) {
	const made = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (value == null) continue;
		if (name in made) made[name] = value;
		else made.setAttribute(name, value);
	}
	made.append(...children.filter((child) => child != null));
	return made;
}

/** The element of this page with an id. */
export const byId = (id) => document.getElementById(id);

/** An icon of the sprite, for the eye alone. */
export function icon(name) {
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
	use.setAttribute("href", `/static/icons.svg#${name}`);
	svg.setAttribute("aria-hidden", "true");
	svg.classList.add("icon");
	svg.append(use);
	return svg;
}
