// Home: the line of subscribers, and bars that follow what is being sent.

const place = document.querySelector("[data-spark]");
if (place) {
  const line = JSON.parse(document.querySelector("#line").textContent);
  const draw = () => {
    const [width, height] = [Math.max(place.clientWidth, 200), 110];
    const numbers = line.map((one) => one.number);
    const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
    const x = (index) => (index * width) / (line.length - 1);
    const y = (number) => 8 + (1 - (number - least) / Math.max(most - least, 1)) * (height - 28);
    const way = numbers.map((number, index) => `${index ? "L" : "M"}${x(index).toFixed(1)} ${y(number).toFixed(1)}`).join("");
    place.innerHTML = `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Active devices over 90 days"><path class="pp-spark-area" d="${way}L${width} ${height - 16}L0 ${height - 16}Z"/><path class="pp-line pp-spark-line" d="${way}"/><text x="0" y="${height - 2}">${line[0].at}</text><text x="${width}" y="${height - 2}" text-anchor="end">today</text></svg>`;
  };
  draw();
  new ResizeObserver(draw).observe(place.parentElement);
}

const whole = (number) => number.toLocaleString("en");
for (const item of document.querySelectorAll("[data-follow]")) {
  const follow = async () => {
    if (!document.hidden) {
      const response = await fetch(item.dataset.follow).catch(() => null);
      if (response?.ok) {
        const live = await response.json();
        item.querySelector("[data-bar]").style.width = `${(100 * live.done) / Math.max(live.totals.targeted, 1)}%`;
        item.querySelector("[data-done]").textContent = whole(live.done);
        item.querySelector("[data-targeted]").textContent = whole(live.totals.targeted);
        if (!live.alive) return location.reload();
      }
    }
    setTimeout(follow, 2000);
  };
  setTimeout(follow, 2000);
}
